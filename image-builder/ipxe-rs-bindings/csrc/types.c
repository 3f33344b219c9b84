/* Names of types, and the types of the settings that iPXE knows. */
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
