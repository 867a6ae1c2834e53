//! Compiles libxml2, and the C between it and Rust.

use std::env;
use std::path::Path;

/// Where `xml2_src` has its sources is told only by compiling them, so libxml2 comes first. A linker
/// wants it last, after what needs it: hence the line at the end.
fn main() {
    println!("cargo::rerun-if-changed=c");
    let ours = env::var_os("CFLAGS");
    let zlib = env::var("DEP_Z_INCLUDE").expect("libz-sys tells where its headers are");
    // SAFETY: a build script has one thread. There is no other way to tell `xml2_src` about zlib, nor
    // that libxml2's warnings are not ours.
    unsafe { env::set_var("CFLAGS", format!("-w -I{zlib}")) };
    let libxml2 = xml2_src::build_lib();
    match ours {
        // SAFETY: as above.
        Some(flags) => unsafe { env::set_var("CFLAGS", flags) },
        // SAFETY: as above.
        None => unsafe { env::remove_var("CFLAGS") },
    }
    between(&libxml2.include);
    println!("cargo::rustc-link-lib=static=xml2");
}

fn between(include: &Path) {
    cc::Build::new()
        .file("c/between.c")
        .include(include)
        .std("c11")
        .warnings(true)
        .extra_warnings(true)
        .warnings_into_errors(true)
        .compile("cede_fixtures_xml");
}
