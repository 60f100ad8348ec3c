//! A picture as PNG, with the fonts that ship: no font of the system is asked, so that it is the same everywhere.

use std::sync::{Arc, LazyLock};

use engine::{Sentence, sentence};
use resvg::tiny_skia::{Pixmap, Transform};
use resvg::usvg::{Options, Tree, fontdb};

use crate::theme::font_files;

/// Pixels for a px, so that it is sharp on screens of today and in print.
const SCALE: f32 = 2.0;

static FONTS: LazyLock<Arc<fontdb::Database>> = LazyLock::new(|| {
    let mut fonts = fontdb::Database::new();
    for file in font_files() {
        fonts.load_font_source(fontdb::Source::Binary(file.font.clone()));
    }
    for set in [fontdb::Database::set_sans_serif_family, fontdb::Database::set_serif_family] {
        set(&mut fonts, "Ubuntu");
    }
    Arc::new(fonts)
});

/// The picture as PNG, at twice the size. One of [`Theme::Page`](super::Theme::Page) has its colors from a page, and none here.
///
/// # Errors
/// A sentence, where the picture cannot be drawn.
pub fn png(svg: &str) -> Result<Vec<u8>, Sentence> {
    let failed = |reason: &dyn std::fmt::Display| {
        sentence!("the picture cannot be drawn: {reason}", reason = reason.to_string())
    };
    let options = Options { fontdb: FONTS.clone(), font_family: "Ubuntu".to_owned(), ..Options::default() };
    let tree = Tree::from_str(svg, &options).map_err(|error| failed(&error))?;
    let size = tree.size().to_int_size().scale_by(SCALE).ok_or_else(|| failed(&"no size"))?;
    let mut pixels = Pixmap::new(size.width(), size.height()).ok_or_else(|| failed(&"too large"))?;
    resvg::render(&tree, Transform::from_scale(SCALE, SCALE), &mut pixels.as_mut());
    pixels.encode_png().map_err(|error| failed(&error))
}
