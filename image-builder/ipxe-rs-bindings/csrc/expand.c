/* Settings and their expansion. */
#include "ipxs.h"

/* A setting that expands to itself would go on for ever. */
enum { EXPANSION_LIMIT = 1000 };

struct ipxs_span ipxs_setting_name(struct ipxs_span text, int *type)
{
	size_t i;

	*type = -1;
	for (i = 0; i < text.length; i++) {
		if (text.data[i] == ':') {
			struct ipxs_span name = { text.data + i + 1, text.length - i - 1 };

			*type = ipxs_type_named(name);
			if (*type < 0)
				*type = -2;
			text.length = i;
			break;
		}
	}
	return text;
}

static int same(struct ipxs_span a, struct ipxs_span b)
{
	size_t i;

	if (a.length != b.length)
		return 0;
	for (i = 0; i < a.length; i++)
		if (a.data[i] != b.data[i])
			return 0;
	return 1;
}

static struct ipxs_span without_scope(struct ipxs_span name)
{
	size_t i;

	for (i = name.length; i > 0; i--) {
		if (name.data[i - 1] == '/') {
			struct ipxs_span rest = { name.data + i, name.length - i };

			return rest;
		}
	}
	return name;
}

ptrdiff_t ipxs_find_setting(struct ipxs_span name, const struct ipxs_setting *settings, size_t count)
{
	size_t i;

	for (i = 0; i < count; i++)
		if (same(settings[i].name, name))
			return (ptrdiff_t)i;
	/* A name without scope means the first of any scope. */
	if (without_scope(name).length != name.length)
		return -1;
	for (i = 0; i < count; i++)
		if (same(without_scope(settings[i].name), name))
			return (ptrdiff_t)i;
	return -1;
}

static void move(uint8_t *to, const uint8_t *from, size_t length)
{
	size_t i;

	if (to < from) {
		for (i = 0; i < length; i++)
			to[i] = from[i];
	} else {
		for (i = length; i > 0; i--)
			to[i - 1] = from[i - 1];
	}
}

int ipxs_expand(struct ipxs_span word, const struct ipxs_setting *settings, size_t count,
		int newer, uint8_t *out, size_t size, size_t *length)
{
	size_t used = word.length, i;
	unsigned rounds;

	*length = 0;
	if (word.length > size)
		return IPXS_FULL;
	for (i = 0; i < word.length; i++)
		out[i] = word.data[i];
	for (rounds = 0; rounds <= EXPANSION_LIMIT; rounds++) {
		struct ipxs_span name;
		size_t head = 0, end, need = 0;
		int type, found = 0;
		ptrdiff_t index;

		/* The first closing brace behind an opening one, and the last opening one before it. */
		for (end = 0; end < used; end++) {
			if (out[end] == '}' && found)
				break;
			if (out[end] == '$' && end + 1 < used && out[end + 1] == '{') {
				head = end;
				found = 1;
			}
		}
		if (end == used) {
			*length = used;
			return IPXS_OK;
		}
		name.data = out + head + 2;
		name.length = end - head - 2;
		name = ipxs_setting_name(name, &type);
		if (type == IPXS_GUID && !newer)
			type = -2;
		index = ipxs_find_setting(name, settings, count);
		if (index >= 0 && type != -2) {
			struct ipxs_span value = settings[index].value;

			if (type < 0)
				type = settings[index].type;
			if (ipxs_format(type, value, NULL, 0, &need) == IPXS_INVALID)
				need = 0;
		}
		if (need > size - (used - (end + 1 - head)))
			return IPXS_FULL;
		move(out + head + need, out + end + 1, used - end - 1);
		used = used - (end + 1 - head) + need;
		if (need > 0 &&
		    ipxs_format(type, settings[index].value, out + head, need, &need) != IPXS_OK)
			return IPXS_INVALID;
	}
	return IPXS_ENDLESS;
}
