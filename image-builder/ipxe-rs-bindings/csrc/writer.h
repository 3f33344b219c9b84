#ifndef IPXS_WRITER_H
#define IPXS_WRITER_H

#include "ipxs.h"

/* A buffer that counts what does not fit. */
struct writer {
	uint8_t *out;
	size_t size;
	size_t length;
};

static inline void put(struct writer *to, uint8_t c)
{
	if (to->length < to->size)
		to->out[to->length] = c;
	to->length++;
}

#endif
