/* Commands, their options and the number of their arguments. */
#include "ipxs.h"

#define ANY 255

#define FETCH_OPTIONS \
	{ 'n', IPXS_TEXT, 0, "name" }, { 't', IPXS_NUMBER, 0, "timeout" }, \
	{ 'a', IPXS_FLAG, 0, "autofree" }, { 'q', IPXS_FLAG, 2, "quiet" }
#define EXEC_OPTIONS FETCH_OPTIONS, { 'r', IPXS_FLAG, 0, "replace" }
#define IMAGE_OPTIONS \
	{ 'n', IPXS_TEXT, 0, "name" }, { 't', IPXS_NUMBER, 0, "timeout" }, \
	{ 'a', IPXS_FLAG, 0, "autofree" }
#define DRIVE { 'd', IPXS_NUMBER, 0, "drive" }

static const struct ipxs_command commands[] = {
	{ "autoboot", "[<interface>...]", 0, ANY, IPXS_HANDOVER, { { 0 } } },
	{ "boot", "[<uri|image> [<arguments>...]]", 0, ANY, IPXS_HANDOVER, { EXEC_OPTIONS } },
	{ "certfree", "", 0, 0, IPXS_OTHER, { { 's', IPXS_TEXT, 1, "subject" } } },
	{ "certstat", "", 0, 0, IPXS_OTHER, { { 's', IPXS_TEXT, 1, "subject" } } },
	{ "certstore", "[<uri|image>]", 0, 1, IPXS_FETCH,
	  { { 's', IPXS_TEXT, 0, "subject" }, { 'k', IPXS_FLAG, 0, "keep" } } },
	{ "chain", "[<uri|image> [<arguments>...]]", 0, ANY, IPXS_HANDOVER, { EXEC_OPTIONS } },
	{ "choose", "<setting>", 1, 1, IPXS_INTERACTIVE,
	  { { 'm', IPXS_TEXT, 0, "menu" }, { 'd', IPXS_TEXT, 0, "default" },
	    { 't', IPXS_NUMBER, 0, "timeout" }, { 'k', IPXS_FLAG, 0, "keep" },
	    { 'r', IPXS_NUMBER, 1, "retimeout" } } },
	{ "clear", "<setting>", 1, 1, IPXS_PURE, { { 0 } } },
	{ "colour", "<colour>", 1, 1, IPXS_OTHER,
	  { { 'b', IPXS_TEXT, 0, "basic" }, { 'r', IPXS_TEXT, 0, "rgb" } } },
	{ "config", "[<scope>]", 0, 1, IPXS_INTERACTIVE, { { 0 } } },
	{ "console", "", 0, 0, IPXS_OTHER,
	  { { 'x', IPXS_NUMBER, 0, "x" }, { 'y', IPXS_NUMBER, 0, "y" },
	    { 'l', IPXS_NUMBER, 0, "left" }, { 'r', IPXS_NUMBER, 0, "right" },
	    { 't', IPXS_NUMBER, 0, "top" }, { 'b', IPXS_NUMBER, 0, "bottom" },
	    { 'd', IPXS_NUMBER, 0, "depth" }, { 'p', IPXS_TEXT, 0, "picture" },
	    { 'k', IPXS_FLAG, 0, "keep" } } },
	{ "cpair", "<pair>", 1, 1, IPXS_OTHER,
	  { { 'f', IPXS_TEXT, 0, "foreground" }, { 'b', IPXS_TEXT, 0, "background" } } },
	{ "cpuid", "<bit>", 1, 1, IPXS_OTHER,
	  { { 'e', IPXS_FLAG, 0, "ext" }, { 'a', IPXS_FLAG, 0, "amd" },
	    { 'c', IPXS_FLAG, 0, "ecx" } } },
	{ "dhcp", "[<interface>...]", 0, ANY, IPXS_NETWORK,
	  { { 'c', IPXS_TEXT, 0, "configurator" }, { 't', IPXS_NUMBER, 1, "timeout" } } },
	{ "echo", "[...]", 0, ANY, IPXS_PURE, { { 'n', IPXS_FLAG, 0, "n" } } },
	{ "exit", "[<status>]", 0, 1, IPXS_PURE, { { 0 } } },
	{ "form", "[<title>]", 0, ANY, IPXS_PURE,
	  { { 'n', IPXS_TEXT, 0, "name" }, { 'd', IPXS_FLAG, 0, "delete" } } },
	{ "goto", "<label>", 1, 1, IPXS_PURE, { { 0 } } },
	{ "help", "", 0, ANY, IPXS_OTHER, { { 0 } } },
	{ "ibstat", "", 0, ANY, IPXS_OTHER, { { 0 } } },
	{ "ifclose", "[<interface>...]", 0, ANY, IPXS_NETWORK, { { 0 } } },
	{ "ifconf", "[<interface>...]", 0, ANY, IPXS_NETWORK,
	  { { 'c', IPXS_TEXT, 0, "configurator" }, { 't', IPXS_NUMBER, 1, "timeout" } } },
	{ "iflinkwait", "[<interface>...]", 0, ANY, IPXS_NETWORK,
	  { { 't', IPXS_NUMBER, 0, "timeout" } } },
	{ "ifopen", "[<interface>...]", 0, ANY, IPXS_NETWORK, { { 0 } } },
	{ "ifstat", "[<interface>...]", 0, ANY, IPXS_OTHER, { { 0 } } },
	{ "imgargs", "<uri|image> [<arguments>...]", 1, ANY, IPXS_FETCH, { IMAGE_OPTIONS } },
	{ "imgexec", "[<uri|image> [<arguments>...]]", 0, ANY, IPXS_HANDOVER, { EXEC_OPTIONS } },
	{ "imgextract", "<uri|image>", 1, ANY, IPXS_FETCH,
	  { IMAGE_OPTIONS, { 'k', IPXS_FLAG, 0, "keep" } } },
	{ "imgfetch", "<uri> [<arguments>...]", 1, ANY, IPXS_FETCH, { FETCH_OPTIONS } },
	{ "imgfree", "[<image>...]", 0, ANY, IPXS_OTHER, { { 0 } } },
	{ "imgload", "<uri|image> [<arguments>...]", 1, ANY, IPXS_FETCH, { IMAGE_OPTIONS } },
	{ "imgmem", "<address> <length>", 2, 2, IPXS_OTHER, { { 'n', IPXS_TEXT, 0, "name" } } },
	{ "imgselect", "<uri|image> [<arguments>...]", 1, ANY, IPXS_FETCH, { IMAGE_OPTIONS } },
	{ "imgstat", "[<image>...]", 0, ANY, IPXS_OTHER, { { 0 } } },
	{ "imgtrust", "", 0, 0, IPXS_OTHER,
	  { { 'a', IPXS_FLAG, 0, "allow" }, { 'p', IPXS_FLAG, 0, "permanent" } } },
	{ "imgverify", "<uri|image> <signature uri|image>", 2, 2, IPXS_FETCH,
	  { { 's', IPXS_TEXT, 0, "signer" }, { 'k', IPXS_FLAG, 0, "keep" },
	    { 't', IPXS_NUMBER, 0, "timeout" } } },
	{ "inc", "<setting> [<increment>]", 1, 2, IPXS_PURE, { { 0 } } },
	{ "initrd", "<uri> [<arguments>...]", 1, ANY, IPXS_FETCH, { FETCH_OPTIONS } },
	{ "iseq", "<value1> <value2>", 2, 2, IPXS_PURE, { { 0 } } },
	{ "isset", "<value>", 1, 1, IPXS_PURE, { { 0 } } },
	{ "item", "[<label> [<text>]]", 0, ANY, IPXS_OTHER,
	  { { 'm', IPXS_TEXT, 0, "menu" }, { 'k', IPXS_TEXT, 0, "key" },
	    { 'd', IPXS_FLAG, 0, "default" }, { 'g', IPXS_FLAG, 0, "gap" },
	    { 'f', IPXS_TEXT, 1, "form" }, { 's', IPXS_FLAG, 1, "secret" } } },
	{ "iwlist", "[<interface>...]", 0, ANY, IPXS_OTHER, { { 0 } } },
	{ "iwstat", "[<interface>...]", 0, ANY, IPXS_OTHER, { { 0 } } },
	{ "kernel", "<uri|image> [<arguments>...]", 1, ANY, IPXS_FETCH, { FETCH_OPTIONS } },
	{ "login", "", 0, 0, IPXS_INTERACTIVE, { { 0 } } },
	{ "md5sum", "<uri|image>", 1, ANY, IPXS_FETCH, { { 0 } } },
	{ "menu", "[<title>]", 0, ANY, IPXS_OTHER,
	  { { 'n', IPXS_TEXT, 0, "name" }, { 'd', IPXS_FLAG, 0, "delete" } } },
	{ "module", "<uri> [<arguments>...]", 1, ANY, IPXS_FETCH, { FETCH_OPTIONS } },
	{ "nslookup", "<setting> <name>", 2, 2, IPXS_NETWORK, { { 0 } } },
	{ "nstat", "", 0, 0, IPXS_OTHER, { { 0 } } },
	{ "ntp", "<server>", 1, 1, IPXS_NETWORK, { { 0 } } },
	{ "param", "<name> [<value>...]", 1, ANY, IPXS_OTHER,
	  { { 'p', IPXS_TEXT, 0, "params" }, { 'H', IPXS_FLAG, 0, "header" } } },
	{ "params", "", 0, 0, IPXS_OTHER,
	  { { 'n', IPXS_TEXT, 0, "name" }, { 'm', IPXS_TEXT, 0, "method" },
	    { 'd', IPXS_FLAG, 0, "delete" } } },
	{ "ping", "<host>", 1, 1, IPXS_NETWORK,
	  { { 's', IPXS_NUMBER, 0, "size" }, { 't', IPXS_NUMBER, 0, "timeout" },
	    { 'c', IPXS_NUMBER, 0, "count" }, { 'q', IPXS_FLAG, 0, "quiet" } } },
	{ "poweroff", "", 0, 0, IPXS_HANDOVER, { { 0 } } },
	{ "present", "", 0, 0, IPXS_INTERACTIVE,
	  { { 'f', IPXS_TEXT, 1, "form" }, { 'k', IPXS_FLAG, 1, "keep" } } },
	{ "prompt", "[<text>]", 0, ANY, IPXS_INTERACTIVE,
	  { { 'k', IPXS_TEXT, 0, "key" }, { 't', IPXS_NUMBER, 0, "timeout" } } },
	{ "pxebs", "<interface> <server type>", 2, 2, IPXS_NETWORK, { { 0 } } },
	{ "read", "<setting>", 1, 1, IPXS_INTERACTIVE, { { 0 } } },
	{ "reboot", "", 0, 0, IPXS_HANDOVER,
	  { { 'w', IPXS_FLAG, 0, "warm" }, { 's', IPXS_FLAG, 1, "setup" } } },
	{ "route", "", 0, 0, IPXS_OTHER, { { 0 } } },
	{ "sanboot", "[<root-path>]", 0, ANY, IPXS_HANDOVER,
	  { DRIVE, { 'n', IPXS_FLAG, 0, "no-describe" }, { 'k', IPXS_FLAG, 0, "keep" },
	    { 'f', IPXS_TEXT, 0, "filename" }, { 'e', IPXS_TEXT, 1, "extra" },
	    { 'l', IPXS_TEXT, 1, "label" }, { 'u', IPXS_TEXT, 1, "uuid" } } },
	{ "sanhook", "<root-path>", 1, ANY, IPXS_NETWORK,
	  { DRIVE, { 'n', IPXS_FLAG, 0, "no-describe" } } },
	{ "sanunhook", "", 0, 0, IPXS_OTHER, { DRIVE } },
	{ "set", "<setting> <value>", 1, ANY, IPXS_PURE, { { 0 } } },
	{ "sha1sum", "<uri|image>", 1, ANY, IPXS_FETCH, { { 0 } } },
	{ "shell", "", 0, 0, IPXS_INTERACTIVE, { { 0 } } },
	{ "shim", "[<uri|image>]", 0, 1, IPXS_FETCH,
	  { { 't', IPXS_NUMBER, 0, "timeout" }, { 'l', IPXS_FLAG, 0, "require-loader" },
	    { 'p', IPXS_FLAG, 0, "allow-pxe" }, { 's', IPXS_FLAG, 0, "allow-sbat" } } },
	{ "show", "<setting>", 1, 1, IPXS_PURE, { { 0 } } },
	{ "sleep", "<seconds>", 1, 1, IPXS_PURE, { { 0 } } },
	{ "sync", "", 0, 0, IPXS_OTHER, { { 't', IPXS_NUMBER, 0, "timeout" } } },
	{ "time", "<command>", 1, ANY, IPXS_OTHER, { { 0 } } },
	{ "vcreate", "<trunk interface>", 1, 1, IPXS_NETWORK,
	  { { 't', IPXS_NUMBER, 0, "tag" }, { 'p', IPXS_NUMBER, 0, "priority" } } },
	{ "vdestroy", "<VLAN interface>", 1, 1, IPXS_NETWORK, { { 0 } } },
};

static int equals(struct ipxs_span text, const char *name)
{
	size_t i;

	for (i = 0; i < text.length; i++)
		if (name[i] == '\0' || (uint8_t)name[i] != text.data[i])
			return 0;
	return name[i] == '\0';
}

const struct ipxs_command *ipxs_command_at(size_t index)
{
	return index < sizeof(commands) / sizeof(commands[0]) ? &commands[index] : NULL;
}

const struct ipxs_command *ipxs_command(struct ipxs_span name)
{
	size_t i;

	for (i = 0; i < sizeof(commands) / sizeof(commands[0]); i++)
		if (equals(name, commands[i].name))
			return &commands[i];
	return NULL;
}

static int option_count(const struct ipxs_command *command)
{
	int count = 0;

	while (count < IPXS_OPTION_LIMIT && command->options[count].letter != 0)
		count++;
	return count;
}

static void fail(struct ipxs_arguments *arguments, int verdict, size_t where, struct ipxs_span culprit)
{
	arguments->verdict = verdict;
	arguments->where = where;
	arguments->culprit = culprit;
}

/* Stores a value; false if it is wrong. */
static int take(struct ipxs_arguments *arguments, const struct ipxs_option *option, int place,
		int newer, size_t where, struct ipxs_span value)
{
	uint32_t number;

	if (option->kind == IPXS_NUMBER && ipxs_integer(value, newer, &number) != IPXS_OK) {
		fail(arguments, IPXS_ARGS_NOT_A_NUMBER, where, value);
		return 0;
	}
	arguments->values[place] = value;
	return 1;
}

/* --name, --name=value or --name value; moves *at behind it. */
static int long_option(const struct ipxs_command *command, const struct ipxs_span *words,
		       size_t count, size_t *at, int newer, struct ipxs_arguments *arguments)
{
	struct ipxs_span word = words[*at], name, value = { NULL, 0 };
	int place, options = option_count(command);
	size_t i;

	name.data = word.data + 2;
	for (i = 2; i < word.length && word.data[i] != '='; i++)
		;
	name.length = i - 2;
	if (i < word.length) {
		value.data = word.data + i + 1;
		value.length = word.length - i - 1;
	}
	for (place = 0; place < options; place++) {
		const struct ipxs_option *option = &command->options[place];

		if (option->newer > newer || !equals(name, option->name))
			continue;
		if (option->kind == IPXS_FLAG) {
			arguments->values[place] = name;
			++*at;
			return 1;
		}
		if (value.data == NULL) {
			if (*at + 1 >= count) {
				fail(arguments, IPXS_ARGS_NO_VALUE, *at, name);
				return 0;
			}
			value = words[++*at];
		}
		if (!take(arguments, option, place, newer, *at, value))
			return 0;
		++*at;
		return 1;
	}
	if (equals(name, "help"))
		fail(arguments, IPXS_ARGS_HELP, *at, name);
	else
		fail(arguments, IPXS_ARGS_UNKNOWN_OPTION, *at, word);
	return 0;
}

/* One word of letters, the last of which may take a value; moves *at behind it. */
static int short_options(const struct ipxs_command *command, const struct ipxs_span *words,
			 size_t count, size_t *at, int newer, struct ipxs_arguments *arguments)
{
	struct ipxs_span word = words[*at];
	int place, options = option_count(command);
	size_t i;

	for (i = 1; i < word.length; i++) {
		struct ipxs_span letter = { word.data + i, 1 };
		const struct ipxs_option *option = NULL;

		for (place = 0; place < options; place++) {
			option = &command->options[place];
			if (option->newer <= newer && (uint8_t)option->letter == word.data[i])
				break;
		}
		if (place == options) {
			fail(arguments,
			     word.data[i] == 'h' ? IPXS_ARGS_HELP : IPXS_ARGS_UNKNOWN_OPTION,
			     *at, letter);
			return 0;
		}
		if (option->kind == IPXS_FLAG) {
			arguments->values[place] = letter;
			continue;
		}
		letter.data++;
		letter.length = word.length - i - 1;
		if (letter.length == 0) {
			if (*at + 1 >= count) {
				letter.data--;
				letter.length = 1;
				fail(arguments, IPXS_ARGS_NO_VALUE, *at, letter);
				return 0;
			}
			letter = words[++*at];
		}
		if (!take(arguments, option, place, newer, *at, letter))
			return 0;
		break;
	}
	++*at;
	return 1;
}

void ipxs_arguments(const struct ipxs_command *command, const struct ipxs_span *words, size_t count,
		    int newer, struct ipxs_arguments *arguments)
{
	static const struct ipxs_span nothing = { NULL, 0 };
	size_t at = 0;
	int place;

	arguments->verdict = IPXS_ARGS_OK;
	arguments->where = 0;
	arguments->culprit = nothing;
	for (place = 0; place < IPXS_OPTION_LIMIT; place++)
		arguments->values[place] = nothing;
	arguments->first = count;
	while (at < count && words[at].length > 0 && words[at].data[0] == '-') {
		struct ipxs_span word = words[at];

		if (word.length == 1) {
			fail(arguments, IPXS_ARGS_UNKNOWN_OPTION, at, word);
			return;
		}
		if (word.data[1] == '-' && word.length == 2) {
			at++;
			break;
		}
		if (!(word.data[1] == '-' ? long_option : short_options)(command, words, count,
									  &at, newer, arguments))
			return;
	}
	arguments->first = at;
	if (count - at < command->least || (command->most != ANY && count - at > command->most))
		fail(arguments, IPXS_ARGS_COUNT, at, nothing);
}
