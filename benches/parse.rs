//! Reading: a message from octets, and who calls whom from its headers.
#![allow(missing_docs, reason = "criterion makes the functions")]

mod sample;

use std::hint::black_box;

use criterion::{Criterion, criterion_group, criterion_main};
use toritsugi::identity::{
    CalledHeaders, CalledSource, CallerHeaders, TrunkContext, read_called, read_caller,
};
use toritsugi::message::{Header, Limits, Message};

fn parse(criterion: &mut Criterion) {
    let bytes = sample::invite();
    let limits = Limits::default();
    criterion.bench_function("parse an INVITE", |bencher| {
        bencher.iter(|| Message::parse(black_box(bytes.clone()), &limits));
    });
    let message = sample::parsed();
    let context = TrunkContext::default();
    criterion.bench_function("read who calls", |bencher| {
        bencher.iter(|| {
            let headers = CallerHeaders {
                from: message.header(Header::From).unwrap_or_default(),
                p_asserted_identity: message.headers(Header::PAssertedIdentity).collect(),
                ..CallerHeaders::default()
            };
            read_caller(black_box(&headers), true, &context)
        });
    });
    criterion.bench_function("read what was dialled", |bencher| {
        bencher.iter(|| {
            let headers = CalledHeaders {
                p_called_party_id: None,
                to: message.header(Header::To).unwrap_or_default(),
                request_uri: message.request_uri(),
                diversion: Vec::new(),
                history_info: Vec::new(),
            };
            read_called(&CalledSource::DEFAULT_ORDER, black_box(&headers), &context)
        });
    });
}

criterion_group!(benches, parse);
criterion_main!(benches);
