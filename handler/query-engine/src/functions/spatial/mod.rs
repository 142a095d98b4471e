//! Spatial functions of GeoJSON on the ellipsoid WGS-84, with longitudes and latitudes in degrees.
//!
//! A value that is no valid GeoJSON makes a function undefined, except those that tell whether it is. Edges that cross each
//! other are not looked for.

mod geodesic;
mod geojson;
mod region;
mod shape;
mod vector;

use geojson::{Geometry, Position};
use region::Region;
use serde_json::{Value, json};
use shape::Shape;

use super::arguments::{self, Arguments};
use super::builtin::Builtin;
use crate::value::number;

pub(super) const FUNCTIONS: &[Builtin] = &[
    Builtin::new("ST_AREA", 1, 1, area),
    Builtin::new("ST_DISTANCE", 2, 2, |arguments| {
        let (a, b) = shapes(arguments)?;
        number(a.distance(&b)?)
    }),
    Builtin::new("ST_INTERSECTS", 2, 2, |arguments| {
        let (a, b) = shapes(arguments)?;
        a.intersects(&b).map(Value::Bool)
    }),
    Builtin::new("ST_ISVALID", 1, 1, |arguments| {
        Some(Value::Bool(geojson::read(arguments::any(arguments, 0)?).is_ok()))
    }),
    Builtin::new("ST_ISVALIDDETAILED", 1, 1, |arguments| {
        Some(match geojson::read(arguments::any(arguments, 0)?) {
            Ok(_) => json!({"valid": true}),
            Err(reason) => json!({"valid": false, "reason": reason}),
        })
    }),
    Builtin::new("ST_WITHIN", 2, 2, |arguments| {
        let (a, b) = shapes(arguments)?;
        a.is_within(&b).map(Value::Bool)
    }),
];

fn geometry(arguments: &Arguments<'_>, index: usize) -> Option<Geometry> {
    geojson::read(arguments::any(arguments, index)?).ok()
}

fn shapes(arguments: &Arguments<'_>) -> Option<(Shape, Shape)> {
    Some((Shape::new(&geometry(arguments, 0)?), Shape::new(&geometry(arguments, 1)?)))
}

/// ST_AREA(shape) in square meters; 0 of a Point or a LineString.
fn area(arguments: &Arguments<'_>) -> Option<Value> {
    let Geometry::Polygons(polygons) = geometry(arguments, 0)? else { return number(0.0) };
    let direction = |position: &Position| geodesic::area_direction(position.longitude, position.latitude);
    let steradians =
        |rings: &Vec<Vec<Position>>| Region::new(rings.iter().map(|ring| ring.iter().map(direction).collect())).area();
    number(polygons.iter().map(steradians).sum::<f64>() * geodesic::area_radius().powi(2))
}

#[cfg(test)]
mod tests;
