//! Compiles Lua, and the C between it and Rust.

fn main() {
    println!("cargo::rerun-if-changed=c");
    let lua = lua_src::Build::new().build(lua_src::Lua54);
    // Before Lua: a linker resolves what a library needs from those that follow.
    cc::Build::new()
        .file("c/between.c")
        .include(lua.include_dir())
        .std("c11")
        .warnings(true)
        .extra_warnings(true)
        .warnings_into_errors(true)
        .compile("cede_fixtures_lua");
    lua.print_cargo_metadata();
}
