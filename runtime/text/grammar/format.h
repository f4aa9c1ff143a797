/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LM_GRAMMAR_FORMAT_H
#define LM_GRAMMAR_FORMAT_H
/**
 * Formats of JSON Schema as regular expressions of the whole string: date, time, date-time, duration, email, hostname,
 * ipv4, ipv6, uri, uri-reference, uuid, json-pointer, relative-json-pointer.
 *
 * What they match has the format. Some rare spellings that have it too are left out: quoted local parts and address
 * literals of email; host names with "--", or of more than 3 labels one of which is longer than 30; leap seconds but
 * 23:59:60Z; addresses in brackets that are no IPv6 address; a uri's user information with more than one colon.
 *
 * Thread   [any]
 * Source   RFC 3339, RFC 5321, RFC 1123, RFC 3986, RFC 4291, RFC 9562, RFC 6901, ISO 8601
 */
#include "runtime/text/grammar/chars.h"

enum lm_format { LM_FORMAT_IGNORED, LM_FORMAT_KNOWN, LM_FORMAT_REFUSED };

/** IGNORED: no format of the draft. REFUSED: a format of the draft that is not here. */
enum lm_format lm_format_find(const char *name);
/** A known format's texts; the caller's; NULL after a failure. */
struct lm_chars *lm_format_compile(struct lm_builder *b, const char *name);
#endif
