/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LM_API_PAGE_H
#define LM_API_PAGE_H
/**
 * The web page: the files of api/page/ as they were built. It calls the API as any client does, and with the user's key.
 *
 * GET /        to a client that accepts text/html the page; to others, as Ollama's, that the server runs
 * GET /page/…  its files, each with an ETag; 304 where If-None-Match names it
 *
 * Both are 404 with web-page = no, but for clients of Ollama. Thread [loop]
 */
#include "api/server.h"

void lm_page_root(struct lm_call *call);
void lm_page_file(struct lm_call *call);
#endif
