//! Icons, drawn as lines: no font has to have them.

use std::f32::consts::PI;

use egui::{Color32, CornerRadius, Painter, Pos2, Rect, Shape, Stroke, pos2, vec2};

/// The things that have an icon.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "each is named after what it shows")]
pub enum Icon {
    Rows,
    Plus,
    Curve,
    Columns,
    Scores,
    Grid,
    Shelf,
    Sliders,
    Bell,
    Cross,
    Up,
    Down,
    Left,
    Right,
    Star,
    StarFull,
}

/// Draws an icon into a square of about 16 points.
pub fn paint(painter: &Painter, center: Pos2, icon: Icon, color: Color32) {
    let stroke = Stroke::new(1.5, color);
    let at = |x: f32, y: f32| pos2(center.x + x, center.y + y);
    let line = |points: &[(f32, f32)]| {
        painter.add(Shape::line(points.iter().map(|(x, y)| at(*x, *y)).collect(), stroke));
    };
    let block = |x: f32, y: f32, w: f32, h: f32, full: bool| {
        let rect = Rect::from_min_size(at(x, y), vec2(w, h));
        let fill = if full { color } else { Color32::TRANSPARENT };
        painter.rect(rect, CornerRadius::same(1), fill, stroke, egui::StrokeKind::Middle);
    };
    match icon {
        Icon::Rows => [-5.0, 0.0, 5.0].into_iter().for_each(|y| {
            painter.circle_filled(at(-6.0, y), 1.3, color);
            line(&[(-2.5, y), (7.0, y)]);
        }),
        Icon::Plus => {
            line(&[(-6.0, 0.0), (6.0, 0.0)]);
            line(&[(0.0, -6.0), (0.0, 6.0)]);
        }
        Icon::Curve => {
            line(&[(-7.0, -7.0), (-7.0, 7.0), (7.0, 7.0)]);
            line(&[(-4.0, -5.0), (-2.0, 0.0), (1.0, 2.0), (6.5, 3.5)]);
        }
        Icon::Columns => {
            block(-6.5, -6.0, 5.0, 12.0, false);
            block(1.5, -6.0, 5.0, 12.0, true);
        }
        Icon::Scores => {
            for (y, length) in [(-6.0, 12.0), (-1.5, 8.0), (3.0, 4.5)] {
                block(-6.5, y, length, 2.5, length > 10.0);
            }
        }
        Icon::Grid => {
            for (i, (x, y)) in [(-6.5, -6.5), (1.0, -6.5), (-6.5, 1.0), (1.0, 1.0)].into_iter().enumerate() {
                block(x, y, 5.5, 5.5, i == 1);
            }
        }
        Icon::Shelf => {
            block(-6.5, -6.0, 3.5, 11.0, false);
            block(-2.0, -6.0, 3.5, 11.0, false);
            line(&[(3.4, -5.2), (6.8, 4.6)]);
            line(&[(-7.5, 7.2), (7.5, 7.2)]);
        }
        Icon::Sliders => [(-5.0, -2.0), (0.0, 3.0), (5.0, -3.5)].into_iter().for_each(|(y, knob)| {
            line(&[(-7.0, y), (7.0, y)]);
            painter.circle_filled(at(knob, y), 2.4, color);
        }),
        Icon::Bell => {
            let dome = (0..=12).map(|i| PI * i as f32 / 12.0).map(|a| (-4.5 * a.cos(), -2.0 - 4.5 * a.sin()));
            let mut points = vec![(-6.5, 4.0), (-4.5, 1.5)];
            points.extend(dome);
            points.extend([(4.5, 1.5), (6.5, 4.0), (-6.5, 4.0)]);
            line(&points);
            line(&[(-1.8, 6.5), (1.8, 6.5)]);
        }
        Icon::Cross => {
            line(&[(-4.0, -4.0), (4.0, 4.0)]);
            line(&[(-4.0, 4.0), (4.0, -4.0)]);
        }
        Icon::Up => line(&[(-3.5, 2.0), (0.0, -2.0), (3.5, 2.0)]),
        Icon::Down => line(&[(-3.5, -2.0), (0.0, 2.0), (3.5, -2.0)]),
        Icon::Left => line(&[(2.0, -4.5), (-2.5, 0.0), (2.0, 4.5)]),
        Icon::Right => line(&[(-2.0, -4.5), (2.5, 0.0), (-2.0, 4.5)]),
        Icon::Star => star(painter, center, color, false),
        Icon::StarFull => star(painter, center, color, true),
    }
}

/// A star: its fill is five points around a middle, as it is not convex.
fn star(painter: &Painter, center: Pos2, color: Color32, full: bool) {
    let corner = |i: usize| {
        let (angle, radius) = (PI * (i as f32 / 5.0 - 0.5), if i.is_multiple_of(2) { 6.5 } else { 2.8 });
        center + vec2(radius * angle.cos(), radius * angle.sin() + 0.5)
    };
    if full {
        let middle = (1..10).step_by(2).map(corner).collect();
        painter.add(Shape::convex_polygon(middle, color, Stroke::NONE));
        for tip in (0..10).step_by(2) {
            let point = [tip + 9, tip, tip + 1].map(|i| corner(i % 10)).to_vec();
            painter.add(Shape::convex_polygon(point, color, Stroke::NONE));
        }
    }
    painter.add(Shape::closed_line((0..10).map(corner).collect(), Stroke::new(1.2, color)));
}
