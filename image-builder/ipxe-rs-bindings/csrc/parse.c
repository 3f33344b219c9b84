/* Text as values. */
#include "ipxs.h"
#include "writer.h"

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
