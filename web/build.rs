//! Has the crate built again when the UI was, and makes the UI's folder so that there is one to embed.

fn main() -> std::io::Result<()> {
    // An empty folder is a UI that was not built; the server says so in its place.
    std::fs::create_dir_all("ui/dist")?;
    println!("cargo:rerun-if-changed=ui/dist");
    Ok(())
}
