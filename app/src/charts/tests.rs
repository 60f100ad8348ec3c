//! Pictures are XML that any reader takes, whatever the numbers and the names are.

use super::*;

const SIZE: (u32, u32) = (640, 360);

fn series(name: &str, points: &[[f64; 2]]) -> Series {
    Series { name: name.to_owned(), points: points.to_vec(), ..Series::default() }
}

fn chart(series: Vec<Series>) -> Chart {
    Chart { title: "Loss".to_owned(), series, ..Chart::default() }
}

/// Elements of a kind; panics where the picture is no XML or has what is no number.
fn count(svg: &str, tag: &str) -> usize {
    assert!(!svg.contains("NaN") && !svg.contains("inf\""), "{svg}");
    let document = roxmltree::Document::parse(svg).unwrap_or_else(|error| panic!("{error}\n{svg}"));
    document.descendants().filter(|node| node.has_tag_name(("http://www.w3.org/2000/svg", tag))).count()
}

/// Lines that are curves: as wide as no other line is.
fn curves(svg: &str) -> usize {
    count(svg, "svg");
    let wide = format!("stroke-width=\"{}\"", 2 * canvas::FINE);
    svg.lines().filter(|line| line.starts_with("<polyline") && line.contains(&wide)).count()
}

#[test]
fn a_line_breaks_where_there_is_no_number() {
    let nan = f64::NAN;
    let whole = chart(vec![series("a", &[[1.0, 2.0], [2.0, 1.5], [3.0, 1.0], [4.0, 0.9]])]);
    assert_eq!(curves(&svg(&whole, Theme::Light, SIZE)), 1);
    let broken =
        chart(vec![series("a", &[[1.0, 2.0], [2.0, 1.5], [3.0, nan], [4.0, 0.9], [5.0, 0.8], [6.0, nan], [7.0, 1.0]])]);
    let drawn = svg(&broken, Theme::Light, SIZE);
    assert_eq!(curves(&drawn), 2);
    assert_eq!(count(&drawn, "circle"), 2, "the lonely last point with its rim");
}

#[test]
fn every_chart_is_drawn_whatever_its_numbers_are() {
    let (nan, inf) = (f64::NAN, f64::INFINITY);
    let numbers: [&[[f64; 2]]; 8] = [
        &[],
        &[[1.0, 1.0]],
        &[[1.0, 3.0], [2.0, 3.0]],
        &[[0.0, 0.0], [-1.0, -2.0]],
        &[[nan, nan], [inf, -inf]],
        &[[1.0, 1e-300], [2.0, 1e300]],
        &[[1.0, -1e308], [2.0, 1e308]],
        &[[5.0, 1.0], [1.0, 2.0]],
    ];
    let marks = [Mark::Line, Mark::LineAndPoints, Mark::Points, Mark::Steps, Mark::Bars];
    for points in numbers {
        for mark in marks {
            for log in [false, true] {
                for theme in [Theme::Light, Theme::Dark, Theme::Page] {
                    let band = points.iter().map(|[_, y]| [y - 1.0, y + 1.0]).collect();
                    let mut chart = chart(vec![Series { mark, band, ..series("a", points) }, series("b", points)]);
                    (chart.x.log, chart.y.log) = (log, log);
                    assert_eq!(count(&svg(&chart, theme, SIZE), "svg"), 1);
                }
            }
        }
    }
    assert_eq!(count(&svg(&Chart::default(), Theme::Page, (0, 0)), "svg"), 1);
}

#[test]
fn names_can_hold_anything_and_stay_text() {
    let name = "<script>alert(\"1\")</script> & 'x' \u{1b}\u{0} fill=\"#181C24\" 前缀";
    let mut chart = chart(vec![series(name, &[[0.0, 1.0]]), series("b", &[[0.0, 2.0]])]);
    chart.title = name.to_owned();
    (chart.x.label, chart.y.label) = (name.to_owned(), name.to_owned());
    chart.x.names = vec![name.to_owned()];
    for theme in [Theme::Light, Theme::Page] {
        let drawn = svg(&chart, theme, (1200, 400));
        assert_eq!((count(&drawn, "script"), count(&drawn, "svg")), (0, 1));
        assert!(drawn.contains("fill=&quot;#181C24&quot;"), "a color in a name is no color: {drawn}");
    }
}

#[test]
fn a_picture_of_a_page_has_variables_in_place_of_colors() {
    let many = (0..12).map(|at| series(&format!("run {at}"), &[[0.0, f64::from(at)], [1.0, 2.0]])).collect();
    let drawn = svg(&chart(many), Theme::Page, SIZE);
    count(&drawn, "svg");
    let colors = drawn.match_indices("=\"#").count();
    assert_eq!(colors, 0, "{drawn}");
    for (name, _) in canvas::variables(false).iter().filter(|(name, _)| !name.ends_with("surface")) {
        assert!(
            drawn.contains(&format!("var({name}, #")) && page_variables(true).contains(&format!("{name}: #")),
            "{name}"
        );
    }
}

#[test]
fn bars_and_points_stand_over_names_and_lie_beside_them() {
    let names: Vec<String> = ["prefix", "lora", "full"].map(str::to_owned).to_vec();
    let values = [1.0, 2.0, 3.0];
    let upright = |mark| Series {
        points: values.iter().enumerate().map(|(at, value)| [at as f64, *value]).collect(),
        band: values.iter().map(|value| [value - 0.5, value + 0.5]).collect(),
        mark,
        ..Series::default()
    };
    for mark in [Mark::Bars, Mark::Points] {
        let mut standing = chart(vec![upright(mark)]);
        standing.x.names.clone_from(&names);
        let mut lying = chart(vec![Series {
            points: upright(mark).points.iter().map(|[a, b]| [*b, *a]).collect(),
            ..upright(mark)
        }]);
        lying.y.names.clone_from(&names);
        for chart in [standing, lying] {
            let drawn = svg(&chart, Theme::Light, SIZE);
            let shapes = if mark == Mark::Bars { count(&drawn, "rect") - 1 } else { count(&drawn, "circle") / 2 };
            assert_eq!(shapes, 3, "{drawn}");
            assert!(names.iter().all(|name| drawn.contains(name)));
        }
    }
}

#[test]
fn a_map_has_a_cell_for_each_number() {
    let map = HeatMap {
        title: "Key norms".to_owned(),
        columns: 5,
        values: (0..20).map(|at| if at == 3 { f64::NAN } else { f64::from(at) }).collect(),
        ..HeatMap::default()
    };
    let cells = |map: &HeatMap| count(&heat_svg(map, Theme::Page, SIZE), "rect");
    assert_eq!(cells(&map), 19 + 24, "with those of the legend");
    assert_eq!(cells(&HeatMap { values: vec![2.0; 20], ..map.clone() }), 20 + 24);
    assert_eq!(cells(&HeatMap { values: Vec::new(), ..map.clone() }), 0);
    assert_eq!(cells(&HeatMap { columns: 0, ..map }), 0);
}

#[test]
fn a_png_has_twice_the_size_and_words_of_both_languages() {
    let drawn =
        |title: &str| png(&svg(&Chart { title: title.to_owned(), ..Chart::default() }, Theme::Light, SIZE)).unwrap();
    let size = |file: &[u8], at: usize| u32::from_be_bytes(file[at..at + 4].try_into().unwrap());
    let (empty, english, chinese) = (drawn(""), drawn("Loss"), drawn("验证损失"));
    for file in [&empty, &english, &chinese] {
        assert!(file.starts_with(b"\x89PNG"));
        assert_eq!((size(file, 16), size(file, 20)), (2 * SIZE.0, 2 * SIZE.1));
    }
    assert!(english != empty && chinese != empty && english != chinese, "the fonts were found");
    assert!(png("no picture").unwrap_err().to_string().starts_with("the picture cannot be drawn"));
}
