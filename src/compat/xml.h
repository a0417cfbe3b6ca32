/* xml.h -- an XML body as a tree of values, with the conventions of the Go library that hooks were
 * written for: attributes as "-name", text beside them or beside elements as "#text", repeated
 * elements as a list, text trimmed, an empty element "", all of it under the root's name.
 *
 * The parser is libexpat, loaded when the first XML body arrives; optional at build as well. A
 * document that declares entities is refused; nothing outside it is ever fetched. */
#ifndef GAFF_COMPAT_XML_H
#define GAFF_COMPAT_XML_H

#include "base/err.h"
#include "compat/value.h"

#define XML_DEPTH_MAX 500u

enum err xml_parse(struct arena *a, str text, struct value *out, struct reason *why) MUST_USE;

#endif
