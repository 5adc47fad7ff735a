//! The trend as a picture: the coordinates of a plot, and a line of blocks for the terminal.

use super::overview::{Point, Sureness, Trend};

/// The size of the plot, in its own units.
pub(super) const WIDTH: i64 = 720;
pub(super) const HEIGHT: i64 = 220;
/// Where the axes are.
pub(super) const LEFT: i64 = 44;
pub(super) const RIGHT: i64 = 704;
pub(super) const TOP: i64 = 26;
pub(super) const BOTTOM: i64 = 186;

/// Marks that stand closer than this are told by one number.
const APART: i64 = 12;

/// A point of the plot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Dot {
    pub(super) x: i64,
    pub(super) y: i64,
    /// Some servers count as they were last seen.
    pub(super) partly: bool,
}

/// One of the two lines of the plot: all failures, and those that are critical or high.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Line {
    /// Unbroken pieces, each as the `points` of an SVG polyline.
    pub(super) pieces: Vec<String>,
    /// The dots of all points.
    pub(super) dots: Vec<Dot>,
}

/// A value of the axis.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Tick {
    pub(super) at: i64,
    pub(super) text: String,
}

/// Something that may explain a jump, numbered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Flag {
    pub(super) x: i64,
    pub(super) numbers: String,
}

/// A plot of the failures.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Plot {
    pub(super) all: Line,
    pub(super) grave: Line,
    /// Where no server was seen: from and how wide.
    pub(super) gaps: Vec<(i64, i64)>,
    pub(super) values: Vec<Tick>,
    pub(super) days: Vec<Tick>,
    pub(super) flags: Vec<Flag>,
}

impl Plot {
    /// The plot of a trend; `None` where there are fewer than two points.
    pub(super) fn of(trend: &Trend) -> Option<Self> {
        let points = &trend.points;
        let (first, last) = (points.first()?, points.last().filter(|_| points.len() > 1)?);
        let most = points.iter().map(Point::failing).max().unwrap_or_default();
        let step = step(most);
        let top = most.div_ceil(step).max(1) * step;
        let number = |count: usize| i64::try_from(count).unwrap_or(i64::MAX);
        let span = (last.at - first.at).max(1);
        let x = |at: i64| LEFT + (at - first.at).saturating_mul(RIGHT - LEFT) / span;
        let y = |count: usize| BOTTOM - number(count).saturating_mul(BOTTOM - TOP) / number(top);
        let line = |value: fn(&Point) -> usize| {
            let mut line = Line::default();
            let mut piece: Vec<String> = Vec::new();
            for point in points {
                let there = point.sureness() != Sureness::Nothing;
                if !there || point.gap_before {
                    finish(&mut line, &mut piece);
                }
                if there {
                    let (x, y) = (x(point.at), y(value(point)));
                    piece.push(format!("{x},{y}"));
                    line.dots.push(Dot { x, y, partly: point.sureness() == Sureness::Partly });
                }
            }
            finish(&mut line, &mut piece);
            line
        };
        let mut flags: Vec<Flag> = Vec::new();
        for (number, mark) in (1..).zip(&trend.marks) {
            let at = points.get(mark.point).map_or(LEFT, |point| x(point.at));
            match flags.last_mut().filter(|flag| at - flag.x < APART) {
                Some(flag) => flag.numbers = format!("{},{number}", flag.numbers),
                None => flags.push(Flag { x: at, numbers: format!("{number}") }),
            }
        }
        let day = |at: i64, started: &str| Tick { at: x(at), text: super::overview::words::day(started) };
        let mut days = vec![day(first.at, &first.started)];
        let middle = points.iter().find(|point| point.at - first.at >= span / 2);
        days.extend(middle.map(|point| day(point.at, &point.started)));
        days.push(day(last.at, &last.started));
        days.dedup_by(|next, before| next.at - before.at < 90 || next.text == before.text);
        Some(Self {
            all: line(Point::failing),
            grave: line(Point::grave),
            gaps: gaps(points, x),
            values: (0..=top / step)
                .map(|place| place * step)
                .map(|count| Tick { at: y(count), text: count.to_string() })
                .collect(),
            days,
            flags,
        })
    }
}

fn finish(line: &mut Line, piece: &mut Vec<String>) {
    if piece.len() > 1 {
        line.pieces.push(piece.join(" "));
    }
    piece.clear();
}

/// How far two lines of the grid are apart: 1, 2 or 5, or ten times that, so that there are five at most.
fn step(most: usize) -> usize {
    let mut step = 1;
    loop {
        for factor in [1, 2, 5] {
            if most.div_ceil(step * factor) <= 5 {
                return step * factor;
            }
        }
        step *= 10;
    }
}

/// Where no server was seen, or nothing was tried.
fn gaps(points: &[Point], x: impl Fn(i64) -> i64) -> Vec<(i64, i64)> {
    let mut gaps: Vec<(i64, i64)> = Vec::new();
    let mut last_seen: Option<i64> = None;
    let mut open = false;
    for point in points {
        let there = point.sureness() != Sureness::Nothing;
        open |= !there || point.gap_before;
        if there {
            if open {
                let from = last_seen.map_or(LEFT, &x);
                gaps.push((from, x(point.at) - from));
            }
            (last_seen, open) = (Some(point.at), false);
        }
    }
    if open {
        let from = last_seen.map_or(LEFT, &x);
        gaps.push((from, RIGHT - from));
    }
    gaps.retain(|(_, width)| *width > 0);
    gaps
}

/// The failures as blocks of eight heights, one for each point, or for as many as fit; a blank dot where no server was seen or
/// nothing was tried. `None` where there are fewer than two points.
pub(super) fn sparkline(trend: &Trend, width: usize, unicode: bool) -> Option<String> {
    let points = &trend.points;
    if points.len() < 2 || width == 0 {
        return None;
    }
    let (blocks, gap): (&[char], char) = if unicode {
        (&['\u{2581}', '\u{2582}', '\u{2583}', '\u{2584}', '\u{2585}', '\u{2586}', '\u{2587}', '\u{2588}'], '\u{b7}')
    } else {
        (&['_', '.', '-', '=', '+', '*', '%', '#'], '?')
    };
    let mut cells: Vec<Option<usize>> = Vec::new();
    for point in points {
        if point.gap_before {
            cells.push(None);
        }
        cells.push((point.sureness() != Sureness::Nothing).then(|| point.failing()));
    }
    // Of the points that share a cell the last one is told, which is nearest to now; a gap among them only where all are.
    let shown = cells.len().min(width);
    let cell = |place: usize| {
        let of = cells.get(place * cells.len() / shown..(place + 1) * cells.len() / shown).unwrap_or_default();
        of.iter().rev().find_map(|cell| *cell)
    };
    let cells: Vec<Option<usize>> = (0..shown).map(cell).collect();
    let most = cells.iter().flatten().copied().max().unwrap_or_default();
    let block = |count: usize| {
        let height = (count * (blocks.len() - 1) / most.max(1)).max(usize::from(count > 0));
        blocks.get(height).copied().unwrap_or(gap)
    };
    Some(cells.into_iter().map(|cell| cell.map_or(gap, block)).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn point(at: i64, fails: usize, unseen: usize) -> Point {
        Point {
            at: at * 86_400,
            started: jiff::Timestamp::from_second(at * 86_400).unwrap().to_string(),
            servers: 2,
            unseen,
            fails: [0, fails, 0, 0],
            inconclusive: 0,
            pass: 0,
            violated: 0,
            gap_before: false,
        }
    }

    fn trend(points: Vec<Point>) -> Trend {
        Trend { points, marks: Vec::new() }
    }

    #[test]
    fn a_night_without_sight_is_a_gap_and_no_zero() {
        let trend = trend(vec![point(1, 4, 0), point(2, 4, 2), point(3, 2, 1), point(4, 0, 0)]);
        assert_eq!(sparkline(&trend, 80, true).unwrap(), "█·▄▁");
        assert_eq!(sparkline(&trend, 80, false).unwrap(), "#?=_");
        let plot = Plot::of(&trend).unwrap();
        assert_eq!(plot.all.dots.len(), 3, "{plot:?}");
        assert_eq!(plot.all.pieces.len(), 1, "the line does not lead into the gap: {plot:?}");
        assert_eq!(plot.gaps, [(LEFT, 440)]);
        assert_eq!(plot.all.dots.iter().filter(|dot| dot.partly).count(), 1);
    }

    #[test]
    fn a_pause_breaks_the_line() {
        let mut points = vec![point(1, 4, 0), point(2, 4, 0), point(9, 4, 0), point(10, 4, 0)];
        points[2].gap_before = true;
        let trend = trend(points);
        assert_eq!(Plot::of(&trend).unwrap().all.pieces.len(), 2);
        assert_eq!(sparkline(&trend, 80, true).unwrap(), "██·██");
    }

    #[test]
    fn many_points_fit_a_narrow_line_and_few_make_none() {
        let many = trend((0..365).map(|day| point(day, usize::try_from(day).unwrap(), 0)).collect());
        for width in [1, 7, 40, 364, 365, 400] {
            assert_eq!(sparkline(&many, width, true).unwrap().chars().count(), width.min(365));
        }
        assert!(sparkline(&many, 30, true).unwrap().ends_with('█'));
        assert_eq!(sparkline(&trend(vec![point(1, 4, 0)]), 80, true), None);
        assert_eq!(Plot::of(&trend(vec![point(1, 4, 0)])), None);
    }

    #[test]
    fn everything_lies_within_the_picture() {
        for counts in [vec![0, 0], vec![1, 0, 3], vec![7, 100_000, 2], vec![5; 300]] {
            let points = (1..).zip(counts).map(|(day, count)| point(day, count, 0)).collect();
            let plot = Plot::of(&trend(points)).unwrap();
            for dot in plot.all.dots.iter().chain(&plot.grave.dots) {
                assert!((LEFT..=RIGHT).contains(&dot.x) && (TOP..=BOTTOM).contains(&dot.y), "{dot:?}");
            }
            assert!(plot.values.len() <= 6 && plot.values.first().unwrap().text == "0", "{:?}", plot.values);
        }
    }
}
