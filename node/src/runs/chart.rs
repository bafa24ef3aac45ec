//! Series of a metric as a picture: in characters for a terminal, or as SVG.

use std::fmt::Write as _;

use super::Number;

/// Characters of a picture for a terminal, without its edge.
const WIDTH: usize = 64;
/// Lines of it.
const HEIGHT: usize = 14;
/// Pixels of an SVG.
const SVG_SIZE: (f64, f64) = (640.0, 360.0);
/// The edge of an SVG that holds the numbers.
const SVG_EDGE: f64 = 48.0;
/// Dots of a braille character, from the top left down, then right.
const DOTS: [[u32; 4]; 2] = [[0x01, 0x02, 0x04, 0x40], [0x08, 0x10, 0x20, 0x80]];

/// What a picture spans.
struct Span {
    left: f64,
    right: f64,
    bottom: f64,
    top: f64,
}

/// The points that can be drawn.
fn points(series: &[(Number, Number)]) -> Vec<(f64, f64)> {
    let points = series.iter().map(|(step, value)| (step.0, value.0));
    points.filter(|(step, value)| step.is_finite() && value.is_finite()).collect()
}

fn span(points: &[(f64, f64)]) -> Option<Span> {
    let (first_x, first_y) = *points.first()?;
    let mut span = Span { left: first_x, right: first_x, bottom: first_y, top: first_y };
    for (x, y) in points {
        (span.left, span.right) = (span.left.min(*x), span.right.max(*x));
        (span.bottom, span.top) = (span.bottom.min(*y), span.top.max(*y));
    }
    Some(span)
}

/// Where a value lies between two others: 0 to 1.
fn part(value: f64, from: f64, to: f64) -> f64 {
    // Halves, since the difference of two large numbers may be none.
    let (value, from, to) = (value / 2.0, from / 2.0, to / 2.0);
    if to > from { ((value - from) / (to - from)).clamp(0.0, 1.0) } else { 0.5 }
}

/// A picture in braille characters; empty where there is nothing to draw.
pub fn text(name: &str, series: &[(Number, Number)]) -> String {
    let points = points(series);
    let Some(span) = span(&points) else { return String::new() };
    let mut cells = vec![vec![0_u32; WIDTH]; HEIGHT];
    for (x, y) in &points {
        let column = (part(*x, span.left, span.right) * (WIDTH * 2 - 1) as f64).round() as usize;
        let line = ((1.0 - part(*y, span.bottom, span.top)) * (HEIGHT * 4 - 1) as f64).round() as usize;
        let dot = DOTS.get(column % 2).and_then(|dots| dots.get(line % 4));
        if let (Some(cell), Some(dot)) =
            (cells.get_mut(line / 4).and_then(|cells| cells.get_mut(column / 2)), dot)
        {
            *cell |= dot;
        }
    }
    let (top, bottom) = (Number(span.top).to_string(), Number(span.bottom).to_string());
    let edge = top.chars().count().max(bottom.chars().count());
    let mut out = format!("{name}\n");
    for (number, line) in cells.iter().enumerate() {
        let label = match number {
            0 => top.as_str(),
            _ if number == HEIGHT - 1 => bottom.as_str(),
            _ => "",
        };
        let drawn: String = line.iter().filter_map(|dots| char::from_u32(0x2800 + dots)).collect();
        let _ = writeln!(out, "{label:>edge$} ┤{}", drawn.trim_end_matches('\u{2800}'));
    }
    let (left, right) = (Number(span.left).to_string(), Number(span.right).to_string());
    let between = WIDTH.saturating_sub(right.chars().count()).max(left.chars().count() + 1);
    let _ = writeln!(out, "{:edge$}  {left:<between$}{right}", "");
    out
}

/// The same as an SVG document.
pub fn svg(name: &str, series: &[(Number, Number)]) -> String {
    let points = points(series);
    let (width, height) = SVG_SIZE;
    let mut out = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width} {height}\" font-family=\"sans-serif\" font-size=\"12\">\n"
    );
    let _ = writeln!(out, "<rect width=\"{width}\" height=\"{height}\" fill=\"white\"/>");
    let _ = writeln!(out, "<text x=\"{SVG_EDGE}\" y=\"24\">{}</text>", escaped(name));
    if let Some(span) = span(&points) {
        let (right, bottom) = (width - 16.0, height - SVG_EDGE / 1.5);
        let x = |x: f64| SVG_EDGE + part(x, span.left, span.right) * (right - SVG_EDGE);
        let y = |y: f64| bottom - part(y, span.bottom, span.top) * (bottom - 40.0);
        let _ = writeln!(out, "<path d=\"M{SVG_EDGE} 40V{bottom}H{right}\" fill=\"none\" stroke=\"gray\"/>");
        let line: Vec<String> =
            points.iter().map(|(step, value)| format!("{:.1},{:.1}", x(*step), y(*value))).collect();
        let _ = writeln!(
            out,
            "<polyline points=\"{}\" fill=\"none\" stroke=\"#1f5fbf\" stroke-width=\"1.5\"/>",
            line.join(" ")
        );
        for (number, at) in [(span.top, 44.0), (span.bottom, bottom)] {
            let (number, edge) = (Number(number), SVG_EDGE - 4.0);
            let _ = writeln!(out, "<text x=\"{edge}\" y=\"{at}\" text-anchor=\"end\">{number}</text>");
        }
        for (number, at, anchor) in [(span.left, SVG_EDGE, "start"), (span.right, right, "end")] {
            let (number, under) = (Number(number), bottom + 16.0);
            let _ = writeln!(out, "<text x=\"{at}\" y=\"{under}\" text-anchor=\"{anchor}\">{number}</text>");
        }
    }
    out + "</svg>\n"
}

/// A text inside of a document.
pub fn escaped(text: &str) -> String {
    let plain = text.chars().filter(|char| !char.is_control());
    plain.fold(String::new(), |mut out, char| {
        match char {
            '&' => out += "&amp;",
            '<' => out += "&lt;",
            '>' => out += "&gt;",
            '"' => out += "&quot;",
            char => out.push(char),
        }
        out
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn series(values: &[f64]) -> Vec<(Number, Number)> {
        values.iter().enumerate().map(|(step, value)| (Number(step as f64), Number(*value))).collect()
    }

    #[test]
    fn a_series_rises_from_left_to_right() {
        let picture = text("acc", &series(&[0.0, 0.5, 1.0]));
        let lines: Vec<_> = picture.lines().collect();
        assert_eq!(lines.len(), HEIGHT + 2);
        assert!(lines[1].starts_with("1 ┤") && lines[1].ends_with('⠈'), "{picture}");
        assert_eq!(lines[HEIGHT], "0 ┤⡀", "{picture}");
        let drawing = svg("a<b", &series(&[0.0, 0.5, 1.0]));
        assert!(
            drawing.contains("a&lt;b") && drawing.contains("48.0,328.0 336.0,184.0 624.0,40.0"),
            "{drawing}"
        );
    }

    #[test]
    fn strange_series_are_drawn_as_far_as_they_can_be() {
        for values in [vec![], vec![f64::NAN], vec![1.0], vec![f64::MAX, f64::MIN], vec![2.0; 5_000]] {
            let (picture, drawing) = (text("x", &series(&values)), svg("x", &series(&values)));
            assert_eq!(picture.is_empty(), !values.iter().any(|value| value.is_finite()), "{values:?}");
            assert!(drawing.ends_with("</svg>\n") && !drawing.contains("NaN"), "{drawing}");
        }
    }
}
