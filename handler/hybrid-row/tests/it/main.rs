//! Tests of the encoder and the decoder against recorded bodies, damaged ones and generated ones.

mod damage;
mod recordings;
mod round_trip;
