/* Values as text and back. */
#include "ipxs.h"

static const char *const type_names[IPXS_TYPE_COUNT] = {
	"string", "uristring", "ipv4", "ipv6", "int8", "int16", "int32", "uint8", "uint16", "uint32",
	"hex", "hexhyp", "hexraw", "base64", "uuid", "guid", "busdevfn", "dnssl",
};

/* Settings whose type is not string. */
static const struct {
	const char *name;
	uint8_t type;
} known_settings[] = {
	{ "ip", IPXS_IPV4 }, { "netmask", IPXS_IPV4 }, { "gateway", IPXS_IPV4 },
	{ "dns", IPXS_IPV4 }, { "next-server", IPXS_IPV4 }, { "dhcp-server", IPXS_IPV4 },
	{ "ip6", IPXS_IPV6 }, { "gateway6", IPXS_IPV6 }, { "dns6", IPXS_IPV6 },
	{ "mac", IPXS_HEX }, { "hwaddr", IPXS_HEX }, { "busid", IPXS_HEX },
	{ "priority", IPXS_INT8 }, { "keep-san", IPXS_INT8 }, { "skip-san-boot", IPXS_INT8 },
	{ "use-cached", IPXS_UINT8 }, { "no-pxedhcp", IPXS_UINT8 }, { "memsize", IPXS_INT32 },
	{ "uuid", IPXS_UUID }, { "errno", IPXS_UINT32 }, { "mtu", IPXS_UINT16 },
};

static int equals(struct ipxs_span text, const char *name)
{
	size_t i;

	for (i = 0; i < text.length; i++)
		if (name[i] == '\0' || (uint8_t)name[i] != text.data[i])
			return 0;
	return name[i] == '\0';
}

int ipxs_type_named(struct ipxs_span name)
{
	int type;

	for (type = 0; type < IPXS_TYPE_COUNT; type++)
		if (equals(name, type_names[type]))
			return type;
	return -1;
}

const char *ipxs_type_name(int type)
{
	return type >= 0 && type < IPXS_TYPE_COUNT ? type_names[type] : "";
}

int ipxs_type_of_setting(struct ipxs_span name)
{
	size_t i;

	for (i = name.length; i > 0; i--) {
		if (name.data[i - 1] == '/') {
			name.data += i;
			name.length -= i;
			break;
		}
	}
	for (i = 0; i < sizeof(known_settings) / sizeof(known_settings[0]); i++)
		if (equals(name, known_settings[i].name))
			return known_settings[i].type;
	return -1;
}

/* A buffer that counts what does not fit. */
struct writer {
	uint8_t *out;
	size_t size;
	size_t length;
};

static void put(struct writer *to, uint8_t c)
{
	if (to->length < to->size)
		to->out[to->length] = c;
	to->length++;
}

static const char lower[] = "0123456789abcdef";
static const char upper[] = "0123456789ABCDEF";

static void put_hex_byte(struct writer *to, uint8_t byte)
{
	put(to, (uint8_t)lower[byte >> 4]);
	put(to, (uint8_t)lower[byte & 15]);
}

static void put_number(struct writer *to, uint32_t value, uint32_t base, unsigned width)
{
	uint8_t digits[10];
	unsigned count = 0;

	do {
		digits[count++] = (uint8_t)lower[value % base];
		value /= base;
	} while (value != 0);
	for (; width > count; width--)
		put(to, '0');
	while (count > 0)
		put(to, digits[--count]);
}

/* Up to four bytes, or more if the others only extend the sign. */
static int number_of(struct ipxs_span value, int is_signed, uint32_t *number)
{
	uint8_t fill = is_signed && value.length > 0 && (value.data[0] & 0x80) ? 0xff : 0;
	size_t i;

	*number = fill ? 0xffffffffu : 0;
	for (i = 0; i < value.length; i++) {
		if (i + 4 < value.length && value.data[i] != fill)
			return 0;
		*number = (*number << 8) | value.data[i];
	}
	return 1;
}

static void put_ipv6(struct writer *to, const uint8_t *address)
{
	unsigned group[8], i, run_at = 8, run = 1;

	for (i = 0; i < 8; i++)
		group[i] = (unsigned)address[2 * i] << 8 | address[2 * i + 1];
	for (i = 0; i < 8; i++) {
		unsigned end = i;

		while (end < 8 && group[end] == 0)
			end++;
		if (end - i > run) {
			run_at = i;
			run = end - i;
		}
	}
	for (i = 0; i < 8; i++) {
		if (i == run_at) {
			put(to, ':');
			put(to, ':');
			i += run - 1;
			continue;
		}
		if (i > 0 && i != run_at + run)
			put(to, ':');
		put_number(to, group[i], 16, 1);
	}
}

static int must_be_escaped(uint8_t c)
{
	static const char reserved[] = "#%&/:=?@ ";
	size_t i;

	if (c < 0x20 || c >= 0x7f)
		return 1;
	for (i = 0; reserved[i] != '\0'; i++)
		if (c == (uint8_t)reserved[i])
			return 1;
	return 0;
}

static void put_base64(struct writer *to, struct ipxs_span value)
{
	static const char digits[] =
		"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
	size_t i;

	for (i = 0; i < value.length; i += 3) {
		size_t left = value.length - i;
		uint32_t bits = (uint32_t)value.data[i] << 16;

		if (left > 1)
			bits |= (uint32_t)value.data[i + 1] << 8;
		if (left > 2)
			bits |= value.data[i + 2];
		put(to, (uint8_t)digits[bits >> 18]);
		put(to, (uint8_t)digits[bits >> 12 & 63]);
		put(to, left > 1 ? (uint8_t)digits[bits >> 6 & 63] : '=');
		put(to, left > 2 ? (uint8_t)digits[bits & 63] : '=');
	}
}

static void put_uuid(struct writer *to, const uint8_t *uuid, int is_guid)
{
	static const uint8_t swapped[] = { 3, 2, 1, 0, 5, 4, 7, 6 };
	unsigned i;

	for (i = 0; i < 16; i++) {
		if (i == 4 || i == 6 || i == 8 || i == 10)
			put(to, '-');
		put_hex_byte(to, uuid[is_guid && i < 8 ? swapped[i] : i]);
	}
}

static int put_names(struct writer *to, struct ipxs_span value)
{
	size_t i = 0;
	int in_name = 0;

	while (i < value.length) {
		size_t label = value.data[i++];

		if (label == 0) {
			in_name = 0;
			continue;
		}
		if (label > 63 || label > value.length - i)
			return IPXS_INVALID;
		if (to->length > 0)
			put(to, in_name ? '.' : ' ');
		in_name = 1;
		while (label-- > 0)
			put(to, value.data[i++]);
	}
	return IPXS_OK;
}

int ipxs_format(int type, struct ipxs_span value, uint8_t *out, size_t size, size_t *length)
{
	struct writer to = { out, size, 0 };
	uint32_t number;
	size_t i;
	int status = IPXS_OK;

	*length = 0;
	switch (type) {
	case IPXS_STRING:
		for (i = 0; i < value.length && value.data[i] != 0; i++)
			put(&to, value.data[i]);
		break;
	case IPXS_URISTRING:
		for (i = 0; i < value.length && value.data[i] != 0; i++) {
			uint8_t c = value.data[i];

			if (!must_be_escaped(c)) {
				put(&to, c);
				continue;
			}
			put(&to, '%');
			put(&to, (uint8_t)upper[c >> 4]);
			put(&to, (uint8_t)upper[c & 15]);
		}
		break;
	case IPXS_IPV4:
		if (value.length < 4)
			return IPXS_INVALID;
		for (i = 0; i < 4; i++) {
			if (i > 0)
				put(&to, '.');
			put_number(&to, value.data[i], 10, 1);
		}
		break;
	case IPXS_IPV6:
		if (value.length < 16)
			return IPXS_INVALID;
		put_ipv6(&to, value.data);
		break;
	case IPXS_INT8:
	case IPXS_INT16:
	case IPXS_INT32:
		if (!number_of(value, 1, &number))
			return IPXS_INVALID;
		if (number & 0x80000000u) {
			put(&to, '-');
			number = 0u - number;
		}
		put_number(&to, number, 10, 1);
		break;
	case IPXS_UINT8:
	case IPXS_UINT16:
	case IPXS_UINT32:
		if (!number_of(value, 0, &number))
			return IPXS_INVALID;
		put(&to, '0');
		put(&to, 'x');
		put_number(&to, number, 16, 1);
		break;
	case IPXS_HEX:
	case IPXS_HEXHYP:
	case IPXS_HEXRAW:
		for (i = 0; i < value.length; i++) {
			if (i > 0 && type != IPXS_HEXRAW)
				put(&to, type == IPXS_HEX ? ':' : '-');
			put_hex_byte(&to, value.data[i]);
		}
		break;
	case IPXS_BASE64:
		put_base64(&to, value);
		break;
	case IPXS_UUID:
	case IPXS_GUID:
		if (value.length != 16)
			return IPXS_INVALID;
		put_uuid(&to, value.data, type == IPXS_GUID);
		break;
	case IPXS_BUSDEVFN:
		if (!number_of(value, 0, &number))
			return IPXS_INVALID;
		put_number(&to, number >> 16, 16, 4);
		put(&to, ':');
		put_number(&to, number >> 8 & 255, 16, 2);
		put(&to, ':');
		put_number(&to, number >> 3 & 31, 16, 2);
		put(&to, '.');
		put_number(&to, number & 7, 16, 1);
		break;
	case IPXS_DNSSL:
		status = put_names(&to, value);
		if (status != IPXS_OK)
			return status;
		break;
	default:
		return IPXS_INVALID;
	}
	*length = to.length;
	return to.length <= size ? IPXS_OK : IPXS_FULL;
}

static int digit_of(uint8_t c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return 99;
}

/* Digits from *at on, decimal, 0octal or 0xhex, as far as they go; what overflows is lost. */
static uint32_t digits(struct ipxs_span text, size_t *at)
{
	uint32_t value = 0;
	uint32_t base = 10;

	if (*at < text.length && text.data[*at] == '0') {
		base = 8;
		++*at;
		if (*at < text.length && (text.data[*at] == 'x' || text.data[*at] == 'X')) {
			base = 16;
			++*at;
		}
	}
	while (*at < text.length && (uint32_t)digit_of(text.data[*at]) < base)
		value = value * base + (uint32_t)digit_of(text.data[(*at)++]);
	return value;
}

int ipxs_integer(struct ipxs_span text, int newer, uint32_t *value)
{
	size_t at = 0;
	int negative = 0;

	*value = 0;
	if (text.length == 0)
		return newer ? IPXS_INVALID : IPXS_OK;
	if (text.length > 0 && (text.data[0] == '-' || text.data[0] == '+')) {
		negative = text.data[0] == '-';
		at = 1;
	}
	*value = digits(text, &at);
	if (negative)
		*value = 0u - *value;
	return at == text.length ? IPXS_OK : IPXS_INVALID;
}

static int parse_integer(struct ipxs_span text, unsigned bytes, struct writer *to)
{
	uint32_t value;
	unsigned i;

	if (ipxs_integer(text, 0, &value) != IPXS_OK)
		return IPXS_INVALID;
	for (i = bytes; i > 0; i--)
		put(to, (uint8_t)(value >> (8 * (i - 1))));
	return IPXS_OK;
}

/* Pairs of digits with one separator between two of them; 0: none. */
static int parse_hex(struct ipxs_span text, uint8_t separator, struct writer *to)
{
	size_t at = 0;

	while (at < text.length) {
		if (at > 0 && separator != 0) {
			if (text.data[at] != separator)
				return IPXS_INVALID;
			at++;
		}
		if (text.length - at < 2 || digit_of(text.data[at]) > 15 ||
		    digit_of(text.data[at + 1]) > 15)
			return IPXS_INVALID;
		put(to, (uint8_t)(digit_of(text.data[at]) << 4 | digit_of(text.data[at + 1])));
		at += 2;
	}
	return IPXS_OK;
}

static int parse_ipv4(struct ipxs_span text, struct writer *to)
{
	size_t at = 0;
	unsigned i;

	for (i = 0; i < 4; i++) {
		uint32_t part;
		size_t begin;

		if (i > 0) {
			if (at >= text.length || text.data[at] != '.')
				return IPXS_INVALID;
			at++;
		}
		begin = at;
		part = digits(text, &at);
		if (at == begin || part > 255)
			return IPXS_INVALID;
		put(to, (uint8_t)part);
	}
	return at == text.length ? IPXS_OK : IPXS_INVALID;
}

static int parse_ipv6(struct ipxs_span text, struct writer *to)
{
	uint32_t group[8];
	unsigned count = 0, gap = 9, i;
	size_t at = 0;

	if (text.length >= 2 && text.data[0] == ':' && text.data[1] == ':') {
		gap = 0;
		at = 2;
	}
	while (at < text.length) {
		uint32_t value = 0;
		unsigned used = 0;

		if (count == 8)
			return IPXS_INVALID;
		while (at < text.length && digit_of(text.data[at]) < 16) {
			value = value << 4 | (uint32_t)digit_of(text.data[at++]);
			if (++used > 4)
				return IPXS_INVALID;
		}
		if (used == 0)
			return IPXS_INVALID;
		group[count++] = value;
		if (at == text.length)
			break;
		if (text.data[at++] != ':' || at == text.length)
			return IPXS_INVALID;
		if (text.data[at] == ':') {
			if (gap != 9)
				return IPXS_INVALID;
			gap = count;
			at++;
		}
	}
	/* A gap stands for one group at least; at either end it must be two. */
	if (gap == 9 ? count != 8 : count > (gap == 0 || gap == count ? 6u : 7u))
		return IPXS_INVALID;
	for (i = 0; i < count; i++) {
		unsigned missing = i == gap ? 8 - count : 0;

		for (; missing > 0; missing--) {
			put(to, 0);
			put(to, 0);
		}
		put(to, (uint8_t)(group[i] >> 8));
		put(to, (uint8_t)group[i]);
	}
	if (gap == count) {
		for (; i < 8; i++) {
			put(to, 0);
			put(to, 0);
		}
	}
	return IPXS_OK;
}

static int base64_digit(uint8_t c)
{
	if (c >= 'A' && c <= 'Z')
		return c - 'A';
	if (c >= 'a' && c <= 'z')
		return c - 'a' + 26;
	if (c >= '0' && c <= '9')
		return c - '0' + 52;
	if (c == '+')
		return 62;
	return c == '/' ? 63 : 99;
}

static int parse_base64(struct ipxs_span text, struct writer *to)
{
	size_t i, padding = 0;
	uint32_t bits = 0;

	if (text.length % 4 != 0)
		return IPXS_INVALID;
	while (padding < 2 && padding < text.length && text.data[text.length - 1 - padding] == '=')
		padding++;
	for (i = 0; i < text.length; i++) {
		int digit = i < text.length - padding ? base64_digit(text.data[i]) : 0;

		if (digit > 63)
			return IPXS_INVALID;
		bits = bits << 6 | (uint32_t)digit;
		if (i % 4 == 3) {
			size_t lost = i + 1 == text.length ? padding : 0;

			put(to, (uint8_t)(bits >> 16));
			if (lost < 2)
				put(to, (uint8_t)(bits >> 8));
			if (lost < 1)
				put(to, (uint8_t)bits);
			bits = 0;
		}
	}
	return IPXS_OK;
}

/* A percent sign takes up to two digits; without one it stands for itself. */
static void parse_uri(struct ipxs_span text, struct writer *to)
{
	size_t at = 0;

	while (at < text.length) {
		uint8_t c = text.data[at++];
		unsigned value = 0, used = 0;

		if (c == '%') {
			while (used < 2 && at < text.length && digit_of(text.data[at]) < 16) {
				value = value << 4 | (unsigned)digit_of(text.data[at++]);
				used++;
			}
		}
		put(to, used > 0 ? (uint8_t)value : c);
	}
}

/* Sixteen bytes as 8-4-4-4-12 digits. */
static int parse_uuid(struct ipxs_span text, int is_guid, struct writer *to)
{
	static const uint8_t swapped[] = { 3, 2, 1, 0, 5, 4, 7, 6 };
	struct ipxs_span digits;
	uint8_t bytes[16];
	size_t at = 0;
	unsigned i;

	if (text.length != 36)
		return IPXS_INVALID;
	for (i = 0; i < 16; i++) {
		struct writer one = { bytes + i, 1, 0 };

		if ((i == 4 || i == 6 || i == 8 || i == 10) && text.data[at++] != '-')
			return IPXS_INVALID;
		digits.data = text.data + at;
		digits.length = 2;
		if (parse_hex(digits, 0, &one) != IPXS_OK)
			return IPXS_INVALID;
		at += 2;
	}
	for (i = 0; i < 16; i++)
		put(to, bytes[is_guid && i < 8 ? swapped[i] : i]);
	return IPXS_OK;
}

int ipxs_parse(int type, int newer, struct ipxs_span text, uint8_t *out, size_t size, size_t *length)
{
	struct writer to = { out, size, 0 };
	size_t i;
	int status = IPXS_OK;

	*length = 0;
	switch (type) {
	case IPXS_STRING:
		for (i = 0; i < text.length; i++)
			put(&to, text.data[i]);
		break;
	case IPXS_URISTRING:
		parse_uri(text, &to);
		break;
	case IPXS_IPV4:
		status = parse_ipv4(text, &to);
		break;
	case IPXS_IPV6:
		status = parse_ipv6(text, &to);
		break;
	case IPXS_INT8:
	case IPXS_UINT8:
		status = parse_integer(text, 1, &to);
		break;
	case IPXS_INT16:
	case IPXS_UINT16:
		status = parse_integer(text, 2, &to);
		break;
	case IPXS_INT32:
	case IPXS_UINT32:
		status = parse_integer(text, 4, &to);
		break;
	case IPXS_HEX:
		status = parse_hex(text, ':', &to);
		break;
	case IPXS_HEXHYP:
		status = parse_hex(text, '-', &to);
		break;
	case IPXS_HEXRAW:
		status = parse_hex(text, 0, &to);
		break;
	case IPXS_BASE64:
		status = parse_base64(text, &to);
		break;
	case IPXS_UUID:
	case IPXS_GUID:
		if (!newer)
			return IPXS_UNSUPPORTED;
		status = parse_uuid(text, type == IPXS_GUID, &to);
		break;
	default:
		return IPXS_UNSUPPORTED;
	}
	if (status != IPXS_OK)
		return status;
	*length = to.length;
	return to.length <= size ? IPXS_OK : IPXS_FULL;
}
