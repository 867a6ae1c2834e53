/* Between libxml2's parser and Rust: one document, read and told of by callbacks. */
#include <libxml/parser.h>
#include <libxml/parserInternals.h>
#include <libxml/tree.h>

#include <string.h>

/* Rust sees four pointers. A result other than zero of the first three stops the parser; the last
 * one returns how many bytes it has read, 0 at the end and -1 if it failed. */
struct cede_fx_xml_handlers {
    int (*start)(void *data, const char *name);
    int (*text)(void *data, const char *bytes, int count);
    int (*end)(void *data, const char *name);
    int (*read)(void *data, char *room, int size);
};

struct parsing {
    const struct cede_fx_xml_handlers *handlers;
    void *data;
    xmlParserCtxt *parser;
    /* The first error, after which libxml2 tells of nothing more but goes on to look for others. */
    int code, line;
};

int cede_fx_xml_parse(const struct cede_fx_xml_handlers *handlers, void *data, int *line);

static void stop_if(const struct parsing *parsing, int code)
{
    if (code != 0)
        xmlStopParser(parsing->parser);
}

static void on_start(void *data, const xmlChar *name, const xmlChar **attributes)
{
    const struct parsing *const parsing = data;
    (void)attributes;
    stop_if(parsing, parsing->handlers->start(parsing->data, (const char *)name));
}

static void on_text(void *data, const xmlChar *bytes, int count)
{
    const struct parsing *const parsing = data;
    stop_if(parsing, parsing->handlers->text(parsing->data, (const char *)bytes, count));
}

static void on_end(void *data, const xmlChar *name)
{
    const struct parsing *const parsing = data;
    stop_if(parsing, parsing->handlers->end(parsing->data, (const char *)name));
}

static int on_read(void *data, char *room, int size)
{
    const struct parsing *const parsing = data;
    return parsing->handlers->read(parsing->data, room, size);
}

static void on_error(void *data, const char *message, ...)
{
    struct parsing *const parsing = data;
    (void)message;
    if (parsing->code == XML_ERR_OK) {
        parsing->code = parsing->parser->lastError.code;
        parsing->line = parsing->parser->lastError.line;
    }
}

/* Returns libxml2's code of the first error, with the line where it was found; XML_ERR_USER_STOP if
 * Rust has stopped it. */
int cede_fx_xml_parse(const struct cede_fx_xml_handlers *handlers, void *data, int *line)
{
    struct parsing parsing = {handlers, data, NULL, XML_ERR_OK, 0};
    xmlSAXHandler sax;
    memset(&sax, 0, sizeof sax);
    sax.startElement = on_start;
    sax.endElement = on_end;
    sax.characters = on_text;
    sax.error = on_error;
    parsing.parser =
        xmlCreateIOParserCtxt(&sax, &parsing, on_read, NULL, &parsing, XML_CHAR_ENCODING_NONE);
    if (!parsing.parser)
        return XML_ERR_NO_MEMORY;
    xmlParseDocument(parsing.parser);
    const int code = parsing.code != XML_ERR_OK ? parsing.code : parsing.parser->errNo;
    *line = parsing.line;
    xmlFreeDoc(parsing.parser->myDoc);
    xmlFreeParserCtxt(parsing.parser);
    return code;
}
