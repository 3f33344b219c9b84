/* Random inputs for every function of the core; the sanitizers judge. Buffers are exactly as long as
 * they claim to be, so that one byte too far is seen. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ipxs.h"

static uint64_t state;

static uint32_t pick(uint32_t limit)
{
	state = state * 6364136223846793005u + 1442695040888963407u;
	return (uint32_t)(state >> 33) % limit;
}

static const char *const pieces[] = {
	"${", "}", ":", "a", "b", "hex", "int32", "\\\n", "\\\r\n", "\n", " ", "#", "||", "&&", ";",
	"-", "--", "n", "=", "timeout", "5", "0x", "%4", "%", "::", ".", "chain", "echo", "ipv6", "=",
};

/* Text on the heap, exactly as long as it says. */
static struct ipxs_span text(void)
{
	char buffer[512];
	size_t length = 0, count = pick(24);
	struct ipxs_span span;
	uint8_t *copy;

	while (count-- > 0) {
		const char *piece = pieces[pick(sizeof(pieces) / sizeof(pieces[0]))];

		memcpy(buffer + length, piece, strlen(piece));
		length += strlen(piece);
		if (pick(8) == 0)
			buffer[length++] = (char)pick(256);
	}
	copy = malloc(length ? length : 1);
	memcpy(copy, buffer, length);
	span.data = copy;
	span.length = length;
	return span;
}

static void drop(struct ipxs_span span)
{
	free((void *)span.data);
}

static void lines(void)
{
	struct ipxs_span script = text(), label = text();
	size_t room = pick(2) ? script.length : pick(8), limit = pick(2) ? script.length / 2 + 1 : pick(4);
	uint8_t *buffer = malloc(room ? room : 1);
	struct ipxs_word *words = malloc((limit ? limit : 1) * sizeof(*words));
	struct ipxs_line line;
	size_t position = 0;

	while (ipxs_line(script, &position, buffer, room, words, limit, &line) == IPXS_OK)
		;
	ipxs_find_label(script, label, &position);
	ipxs_operator(label);
	drop(script);
	drop(label);
	free(buffer);
	free(words);
}

static void values(void)
{
	struct ipxs_span value = text();
	size_t size = pick(64), length;
	uint8_t *out = malloc(size ? size : 1);
	uint32_t number;
	int type = (int)pick(IPXS_TYPE_COUNT + 2) - 1;

	ipxs_format(type, value, out, size, &length);
	ipxs_parse(type, (int)pick(2), value, out, size, &length);
	ipxs_integer(value, (int)pick(2), &number);
	ipxs_type_of_setting(value);
	drop(value);
	free(out);
}

static void expansions(void)
{
	struct ipxs_span word = text();
	struct ipxs_setting settings[3];
	size_t size = pick(512), length, i;
	uint8_t *out = malloc(size ? size : 1);

	for (i = 0; i < 3; i++) {
		settings[i].name.data = (const uint8_t *)(i == 0 ? "a" : i == 1 ? "b" : "a/b");
		settings[i].name.length = i == 2 ? 3 : 1;
		settings[i].value = text();
		settings[i].type = (int)pick(IPXS_TYPE_COUNT);
	}
	ipxs_expand(word, settings, 3, (int)pick(2), out, size, &length);
	for (i = 0; i < 3; i++)
		drop(settings[i].value);
	drop(word);
	free(out);
}

static void arguments(void)
{
	struct ipxs_span words[6];
	struct ipxs_arguments result;
	const struct ipxs_command *command = ipxs_command_at(pick(90));
	size_t count = pick(7), i;

	for (i = 0; i < count; i++)
		words[i] = text();
	if (command != NULL)
		ipxs_arguments(command, words, count, (int)pick(2), &result);
	if (count > 0)
		ipxs_command(words[0]);
	for (i = 0; i < count; i++)
		drop(words[i]);
}

int main(int argc, char **argv)
{
	int round;

	state = argc > 1 ? (uint64_t)atol(argv[1]) : 1;
	for (round = 0; round < 50000; round++) {
		lines();
		values();
		expansions();
		arguments();
	}
	printf("%d rounds\n", round * 4);
	return 0;
}
