/* Lines, words and operators. */
#include "ipxs.h"

static int is_blank(uint8_t c)
{
	return c == ' ' || (c >= '\t' && c <= '\r');
}

/* Steps over backslash, optional CR, LF. */
static size_t skip_joins(struct ipxs_span script, size_t at)
{
	while (at < script.length && script.data[at] == '\\') {
		size_t next = at + 1;

		if (next < script.length && script.data[next] == '\r')
			next++;
		if (next >= script.length || script.data[next] != '\n')
			break;
		at = next + 1;
	}
	return at;
}

/* Whether the file ends within a line that goes on. */
static int ends_in_join(struct ipxs_span script, size_t from, size_t to)
{
	if (to != script.length || to == from || script.data[to - 1] != '\n')
		return 0;
	to--;
	if (to > from && script.data[to - 1] == '\r')
		to--;
	return to > from && script.data[to - 1] == '\\';
}

int ipxs_line(struct ipxs_span script, size_t *position, uint8_t *buffer, size_t buffer_size,
	      struct ipxs_word *words, size_t word_limit, struct ipxs_line *line)
{
	size_t at = *position;
	size_t used = 0;
	int in_word = 0, in_comment = 0;

	line->at = at;
	line->word_count = 0;
	line->has_label = 0;
	if (at >= script.length)
		return IPXS_END;
	for (;;) {
		size_t begin = at;
		uint8_t c;

		at = skip_joins(script, at);
		if (at >= script.length || script.data[at] == '\n') {
			if (at < script.length)
				at++;
			else if (begin != at && ends_in_join(script, line->at, at))
				return *position = at, IPXS_UNFINISHED;
			break;
		}
		c = script.data[at];
		if (in_comment) {
			at++;
			continue;
		}
		if (is_blank(c)) {
			in_word = 0;
			at++;
			continue;
		}
		if (!in_word) {
			if (c == '#') {
				in_comment = 1;
				continue;
			}
			if (line->word_count == word_limit)
				return IPXS_FULL;
			words[line->word_count].at = at;
			words[line->word_count].offset = used;
			words[line->word_count].length = 0;
			line->word_count++;
			in_word = 1;
		}
		if (used == buffer_size)
			return IPXS_FULL;
		buffer[used++] = c;
		words[line->word_count - 1].length++;
		at++;
	}
	line->has_label = line->word_count > 0 && buffer[words[0].offset] == ':';
	*position = at;
	return IPXS_OK;
}

/* Compares the first word of the line at `at`, which begins with a colon, with a label. */
static int is_label(struct ipxs_span script, size_t at, struct ipxs_span label)
{
	size_t matched = 0;

	for (;;) {
		at = skip_joins(script, at);
		if (at >= script.length || is_blank(script.data[at]))
			return matched == label.length;
		if (matched == label.length || script.data[at] != label.data[matched])
			return 0;
		matched++;
		at++;
	}
}

int ipxs_find_label(struct ipxs_span script, struct ipxs_span label, size_t *position)
{
	size_t at = 0;

	while (at < script.length) {
		size_t begin = at;

		for (;;) {
			at = skip_joins(script, at);
			if (at >= script.length || script.data[at] == '\n' || !is_blank(script.data[at]))
				break;
			at++;
		}
		if (at < script.length && script.data[at] == ':' && is_label(script, at + 1, label)) {
			*position = begin;
			return IPXS_OK;
		}
		for (;;) {
			at = skip_joins(script, at);
			if (at >= script.length)
				break;
			if (script.data[at++] == '\n')
				break;
		}
	}
	return IPXS_END;
}

int ipxs_operator(struct ipxs_span word)
{
	if (word.length == 1 && word.data[0] == ';')
		return ';';
	if (word.length == 2 && word.data[0] == word.data[1] &&
	    (word.data[0] == '|' || word.data[0] == '&'))
		return word.data[0];
	return 0;
}

int ipxs_runs(int operator, int failed)
{
	if (operator == '|')
		return failed;
	if (operator == '&')
		return !failed;
	return 1;
}
