/* Values as text. */
#include "ipxs.h"
#include "writer.h"

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
