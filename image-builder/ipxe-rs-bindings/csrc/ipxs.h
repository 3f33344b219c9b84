/* The script language of iPXE: lines, words, expansion, types, arguments.
 *
 * Our own description of what the binaries do; no code of iPXE. C99, freestanding: no allocation, no
 * globals that change, no library calls. Every buffer is the caller's, every length is explicit, no
 * string needs a terminator. A function either fits its result into the buffer it was given or says
 * IPXS_FULL and leaves nothing half done that matters. */
#ifndef IPXS_H
#define IPXS_H

#include <stddef.h>
#include <stdint.h>

enum {
	IPXS_OK = 0,
	IPXS_END,         /* no more lines */
	IPXS_FULL,        /* a buffer is too small */
	IPXS_UNFINISHED,  /* the last line ends in a backslash */
	IPXS_ENDLESS,     /* a setting expands to itself */
	IPXS_INVALID,     /* not a value of this type */
	IPXS_UNSUPPORTED  /* a type that can be shown but not set */
};

/* Bytes of somebody else. */
struct ipxs_span {
	const uint8_t *data;
	size_t length;
};

/* A word of a line. */
struct ipxs_word {
	size_t at;     /* where it begins in the script */
	size_t offset; /* where it is in the buffer */
	size_t length;
};

/* A line, after backslashes joined it. */
struct ipxs_line {
	size_t at;         /* where it begins in the script */
	size_t word_count;
	int has_label;     /* the first word is a label, with its colon */
};

/* Reads the line at *position and moves *position behind it. Comments are left out. A buffer as long
 * as the script and half as many words, plus one, are always enough. */
int ipxs_line(struct ipxs_span script, size_t *position, uint8_t *buffer, size_t buffer_size,
	      struct ipxs_word *words, size_t word_limit, struct ipxs_line *line);

/* Finds the first line with this label (without colon), and where it begins. */
int ipxs_find_label(struct ipxs_span script, struct ipxs_span label, size_t *position);

/* Whether a word is an operator: 0, or one of | & ; */
int ipxs_operator(struct ipxs_span word);

/* Whether a command runs after one that ended so, with this operator between them (0: none). */
int ipxs_runs(int operator, int failed);

enum ipxs_type {
	IPXS_STRING, IPXS_URISTRING, IPXS_IPV4, IPXS_IPV6,
	IPXS_INT8, IPXS_INT16, IPXS_INT32, IPXS_UINT8, IPXS_UINT16, IPXS_UINT32,
	IPXS_HEX, IPXS_HEXHYP, IPXS_HEXRAW, IPXS_BASE64,
	IPXS_UUID, IPXS_GUID, IPXS_BUSDEVFN, IPXS_DNSSL,
	IPXS_TYPE_COUNT
};

/* Builds differ: 0 is iPXE of 2019, 1 of 2025, 2 later. */

/* The type of this name, or -1. */
int ipxs_type_named(struct ipxs_span name);
/* The name of a type. */
const char *ipxs_type_name(int type);
/* The type a setting of this name has by itself, or -1. */
int ipxs_type_of_setting(struct ipxs_span name);
/* Shows a value as text; *length is what it needs even when it does not fit. A value that the type
 * cannot show is IPXS_INVALID, which expands to nothing. */
int ipxs_format(int type, struct ipxs_span value, uint8_t *out, size_t size, size_t *length);
/* Reads a value from text. */
int ipxs_parse(int type, int newer, struct ipxs_span text, uint8_t *out, size_t size, size_t *length);
/* An integer as commands take it; nothing at all was 0 in 2019. */
int ipxs_integer(struct ipxs_span text, int newer, uint32_t *value);

/* A setting that has a value. */
struct ipxs_setting {
	struct ipxs_span name; /* with its scope, as in net0/mac */
	struct ipxs_span value;
	int type;
};

/* Splits name:type; the type is -1 if there is none and -2 if it is no type. */
struct ipxs_span ipxs_setting_name(struct ipxs_span text, int *type);

/* Which setting an expression without type means, or -1. */
ptrdiff_t ipxs_find_setting(struct ipxs_span name, const struct ipxs_setting *settings, size_t count);

/* Expands every ${name:type} of a word, innermost first. */
int ipxs_expand(struct ipxs_span word, const struct ipxs_setting *settings, size_t count,
		int newer, uint8_t *out, size_t size, size_t *length);

enum { IPXS_OPTION_LIMIT = 9 };

/* What the value of an option is. */
enum { IPXS_FLAG, IPXS_TEXT, IPXS_NUMBER };

/* An option of a command. */
struct ipxs_option {
	char letter;
	uint8_t kind;
	uint8_t newer; /* 0: in iPXE of 2019, 1: of 2025, 2: later */
	const char *name;
};

/* What a command does to the world. */
enum {
	IPXS_PURE,        /* nothing outside the script */
	IPXS_NETWORK,     /* the network ports */
	IPXS_FETCH,       /* fetches a file */
	IPXS_HANDOVER,    /* starts another program, and may not come back */
	IPXS_INTERACTIVE, /* asks a person */
	IPXS_OTHER
};

/* A command and its rules. */
struct ipxs_command {
	const char *name;
	const char *usage; /* its arguments in words */
	uint8_t least, most; /* number of arguments; 255: any */
	uint8_t effect;
	struct ipxs_option options[IPXS_OPTION_LIMIT]; /* ends with letter 0 */
};

/* The command of this name, or null. */
const struct ipxs_command *ipxs_command(struct ipxs_span name);
/* The command at this place of the table, or null behind its end. */
const struct ipxs_command *ipxs_command_at(size_t index);

enum {
	IPXS_ARGS_OK,
	IPXS_ARGS_HELP,           /* --help: the usage is shown and the command fails */
	IPXS_ARGS_UNKNOWN_OPTION,
	IPXS_ARGS_NO_VALUE,       /* an option lacks its value */
	IPXS_ARGS_NOT_A_NUMBER,   /* the value of an option is no number */
	IPXS_ARGS_COUNT           /* too few or too many */
};

/* What the arguments of a command are. */
struct ipxs_arguments {
	int verdict;
	size_t where;              /* the word that is wrong */
	size_t first;              /* the first word that is no option */
	struct ipxs_span culprit;  /* the option or value that is wrong, as iPXE names it */
	struct ipxs_span values[IPXS_OPTION_LIMIT]; /* by place in the table; data is null if absent */
};

/* Reads the words behind the command's name. Options end at the first word that is none. */
void ipxs_arguments(const struct ipxs_command *command, const struct ipxs_span *words, size_t count,
		    int newer, struct ipxs_arguments *arguments);

#endif
