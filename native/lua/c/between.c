/* Between Lua and Rust.
 *
 * Lua reports an error by longjmp, from wherever it is to the pcall that is next below. The frames
 * in between are gone; nothing that they had to clean up is. C is written for that, Rust is not. So:
 *
 *   1. No Rust frame lies between a pcall and what may raise an error. Whatever Rust calls here
 *      catches every error and returns a status.
 *   2. What Lua calls is a function of this file. It reads the arguments, which may raise an error,
 *      before Rust is entered, and passes plain values.
 *   3. Rust returns a code. It is here that a failure becomes a Lua error, when the frame of Rust is
 *      gone by its own rules.
 *
 * An allocator is Rust's own and is called by Lua directly: it returns NULL, and Lua raises the error.
 */
#include <lauxlib.h>
#include <lua.h>
#include <lualib.h>

#include <stdio.h>

enum { DONE = 0, FAILED = 1, REFUSED = 2 };

typedef int cede_fx_lua_body(void *data, lua_State *lua, lua_Integer argument, lua_Integer *result);
typedef int cede_fx_lua_watch_body(void *data);

/* A function of Rust's; the value of a Lua function's first upvalue. */
struct function {
    const char *name;
    cede_fx_lua_body *body;
    void *data;
};

/* What a state's extra space points to; Rust sees two pointers. */
struct cede_fx_lua_watcher {
    cede_fx_lua_watch_body *body;
    void *data;
};

lua_State *cede_fx_lua_new(lua_Alloc alloc, void *data);
void cede_fx_lua_close(lua_State *lua);
int cede_fx_lua_define(lua_State *lua, const char *name, cede_fx_lua_body *body, void *data);
void cede_fx_lua_watch(lua_State *lua, struct cede_fx_lua_watcher *watcher, int instructions);
int cede_fx_lua_run(lua_State *lua, const char *chunk, lua_Integer *result, char *message,
                    size_t room);

static int raise(lua_State *lua, int code)
{
    return luaL_error(lua, code == REFUSED ? "callback refused" : "callback failed");
}

static int open_libraries(lua_State *lua)
{
    luaL_openlibs(lua);
    return 0;
}

/* NULL if there is not enough memory. */
lua_State *cede_fx_lua_new(lua_Alloc alloc, void *data)
{
    lua_State *const lua = lua_newstate(alloc, data);
    if (!lua)
        return NULL;
    lua_pushcfunction(lua, open_libraries);
    if (lua_pcall(lua, 0, 0, 0) != LUA_OK) {
        lua_close(lua);
        return NULL;
    }
    return lua;
}

void cede_fx_lua_close(lua_State *lua)
{
    lua_close(lua);
}

/* What Lua calls for a function of Rust's. */
static int call_rust(lua_State *lua)
{
    const struct function *const function = lua_touserdata(lua, lua_upvalueindex(1));
    const lua_Integer argument = luaL_checkinteger(lua, 1);
    lua_Integer result = 0;
    const int code = function->body(function->data, lua, argument, &result);
    if (code != DONE)
        return raise(lua, code);
    lua_pushinteger(lua, result);
    return 1;
}

static int define(lua_State *lua)
{
    const struct function *const function = lua_touserdata(lua, 1);
    struct function *const kept = lua_newuserdatauv(lua, sizeof *kept, 0);
    *kept = *function;
    lua_pushcclosure(lua, call_rust, 1);
    lua_setglobal(lua, function->name);
    return 0;
}

/* Defines a global function of one integer. */
int cede_fx_lua_define(lua_State *lua, const char *name, cede_fx_lua_body *body, void *data)
{
    struct function function = {name, body, data};
    lua_pushcfunction(lua, define);
    lua_pushlightuserdata(lua, &function);
    const int status = lua_pcall(lua, 1, 0, 0);
    if (status != LUA_OK)
        lua_pop(lua, 1);
    return status;
}

static void on_count(lua_State *lua, lua_Debug *event)
{
    (void)event;
    struct cede_fx_lua_watcher *const watcher =
        *(struct cede_fx_lua_watcher **)lua_getextraspace(lua);
    const int code = watcher->body(watcher->data);
    if (code != DONE)
        raise(lua, code);
}

/* Has the watcher called each time that so many instructions have run, also in the coroutines that
 * are made from here on. */
void cede_fx_lua_watch(lua_State *lua, struct cede_fx_lua_watcher *watcher, int instructions)
{
    *(struct cede_fx_lua_watcher **)lua_getextraspace(lua) = watcher;
    lua_sethook(lua, on_count, LUA_MASKCOUNT, instructions);
}

/* Runs a chunk that returns an integer. Returns Lua's status; unless it is LUA_OK there is a message
 * instead of a result. May be called by what Lua has called, with the state that it was given. */
int cede_fx_lua_run(lua_State *lua, const char *chunk, lua_Integer *result, char *message,
                    size_t room)
{
    int status = luaL_loadstring(lua, chunk);
    if (status == LUA_OK)
        status = lua_pcall(lua, 0, 1, 0);
    if (status == LUA_OK) {
        *result = lua_tointeger(lua, -1);
    } else {
        /* Not of a number: to convert it may raise an error. */
        const int is_text = lua_type(lua, -1) == LUA_TSTRING;
        snprintf(message, room, "%s", is_text ? lua_tostring(lua, -1) : "no message");
    }
    lua_pop(lua, 1);
    return status;
}
