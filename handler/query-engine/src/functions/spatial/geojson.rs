//! Reads GeoJSON, and says why a value is none.

use serde_json::Value;

/// A longitude and a latitude in degrees.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Position {
    pub longitude: f64,
    pub latitude: f64,
}

/// A shape on the earth.
#[derive(Debug, PartialEq)]
pub(super) enum Geometry {
    Point(Position),
    /// Two or more positions.
    LineString(Vec<Position>),
    /// The polygons of a Polygon or a MultiPolygon; each is its rings, without the last position, which is the first.
    Polygons(Vec<Vec<Vec<Position>>>),
}

/// Reads a GeoJSON Point, LineString, Polygon or MultiPolygon. An error is the reason why it is none.
pub(super) fn read(value: &Value) -> Result<Geometry, String> {
    let text = |name| value.get(name).and_then(Value::as_str);
    let coordinates = value.get("coordinates").ok_or("A GeoJSON object must have coordinates.")?;
    match text("type") {
        Some("Point") => position(coordinates).map(Geometry::Point),
        Some("LineString") => line(coordinates, 2, "LineString").map(Geometry::LineString),
        Some("Polygon") => polygon(coordinates).map(|rings| Geometry::Polygons(vec![rings])),
        Some("MultiPolygon") => {
            elements(coordinates, "MultiPolygon")?.iter().map(polygon).collect::<Result<_, _>>().map(Geometry::Polygons)
        }
        _ => Err("The type must be Point, LineString, Polygon or MultiPolygon.".into()),
    }
}

fn elements<'a>(coordinates: &'a Value, kind: &str) -> Result<&'a Vec<Value>, String> {
    coordinates.as_array().ok_or_else(|| format!("The coordinates of a {kind} must be an array."))
}

fn position(value: &Value) -> Result<Position, String> {
    let numbers: Option<Vec<f64>> = elements(value, "position")?.iter().map(Value::as_f64).collect();
    let Some(&[longitude, latitude, ..]) = numbers.as_deref() else {
        return Err("A position must be a longitude and a latitude.".into());
    };
    if !(-90.0..=90.0).contains(&latitude) {
        return Err("Latitude values must be between -90 and 90 degrees.".into());
    }
    if !(-180.0..=180.0).contains(&longitude) {
        return Err("Longitude values must be between -180 and 180 degrees.".into());
    }
    Ok(Position { longitude, latitude })
}

fn line(value: &Value, least: usize, kind: &str) -> Result<Vec<Position>, String> {
    let positions: Vec<Position> = elements(value, kind)?.iter().map(position).collect::<Result<_, _>>()?;
    if positions.len() < least {
        return Err(format!("A {kind} must have at least {least} positions, and this one has {}.", positions.len()));
    }
    Ok(positions)
}

fn polygon(value: &Value) -> Result<Vec<Vec<Position>>, String> {
    let rings = elements(value, "Polygon")?;
    if rings.is_empty() {
        return Err("A Polygon must have at least one ring.".into());
    }
    rings.iter().enumerate().map(|(index, ring)| read_ring(ring, index + 1)).collect()
}

fn read_ring(value: &Value, number: usize) -> Result<Vec<Position>, String> {
    let mut ring = line(value, 4, "ring")?;
    // The service's words.
    if ring.first() != ring.last() {
        return Err(format!(
            "The Polygon input is not valid because the start and end points of the ring number {number} are not the \
             same. Each ring of a Polygon must have the same start and end points."
        ));
    }
    ring.pop();
    Ok(ring)
}
