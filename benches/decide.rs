//! Deciding: a customer found among 100,000, and where the call goes in a house of 1,000 agents.

use std::hint::black_box;

use criterion::{Criterion, criterion_group, criterion_main};
use toritsugi::clock::{Moment, Now};
use toritsugi::customer::{BookMaker, CustomerBook, CustomerCard, Language};
use toritsugi::identity::Presentation;
use toritsugi::presence::{AgentBook, AgentId, AgentStatus, CustomerId, Role, SetBy};
use toritsugi::routing::{Agent, Background, CustomerFact, Directory, Facts, Line, decide};

const AGENTS: usize = 1_000;
const CUSTOMERS: usize = 100_000;

fn agent(number: usize) -> AgentId {
    AgentId::new(format!("a{number:05}"))
}

fn number(customer: usize) -> String {
    format!("+4930{:07}", customer * 97)
}

fn house() -> (Directory, AgentBook, Now) {
    let mut directory = Directory::default();
    for number in 0..AGENTS {
        let id = agent(number);
        let entry = Agent {
            id: id.clone(),
            name: format!("担当 {number}"),
            kana: None,
            role: Role::Agent,
            contact: format!("sip:{id}@192.0.2.2"),
            groups: vec![format!("g{}", number / 20)],
            skills: Vec::new(),
        };
        directory.agents.insert(id, entry);
    }
    let now = Now { moment: Moment::ZERO, wall: jiff::Timestamp::UNIX_EPOCH };
    let mut agents = AgentBook::new(false);
    agents.apply_directory(&directory, now);
    for number in 0..AGENTS {
        agents
            .set_status(&agent(number), AgentStatus::Available, SetBy::Manual, now)
            .expect("they are known");
    }
    (directory, agents, now)
}

fn customers() -> CustomerBook {
    let mut maker = BookMaker::new(usize::MAX);
    for customer in 0..CUSTOMERS {
        maker.add(&CustomerCard {
            id: CustomerId::new(format!("c{customer}")),
            name: format!("顧客 {customer}"),
            kana: Some("コキャク".to_owned()),
            company: Some("青葉製作所".to_owned()),
            rank: Some("B".to_owned()),
            language: Language::Ja,
            phones: vec![number(customer)],
            assignee: Some(agent(customer % AGENTS)),
            notices: Vec::new(),
            flags: Vec::new(),
            contacts: Vec::new(),
        });
    }
    maker.finish()
}

fn deciding(criterion: &mut Criterion) {
    let book = customers();
    let wanted: Vec<String> = (0..1_000).map(|n| number(n * 89 % CUSTOMERS)).collect();
    let mut next = 0;
    criterion.bench_function("find a customer among 100,000", |bencher| {
        bencher.iter(|| {
            next = (next + 1) % wanted.len();
            book.find(black_box(&wanted[next]))
        });
    });
    let (directory, agents, now) = house();
    let line = Line {
        number: "+4930555000".to_owned(),
        key: "+4930555000".to_owned(),
        client: "青葉製作所".to_owned(),
        greeting_ja: None,
        greeting_en: None,
        group: Some("g0".to_owned()),
        assigned_first: true,
        priority: 0,
    };
    let cards = book.find(&number(41));
    let facts = |customer| Facts {
        at: now.wall,
        called: "+4930555000",
        line: Some(&line),
        emergency: false,
        presentation: &Presentation::Withheld,
        customer,
        agents: (&agents).into(),
        background: Background::default(),
        directory: &directory,
        tried: &[],
    };
    let known = cards.first().map_or(CustomerFact::None, CustomerFact::One);
    criterion.bench_function("decide: the assignee is free", |bencher| {
        bencher.iter(|| decide(black_box(&facts(known))));
    });
    criterion.bench_function("decide: a group of 20 among 1,000 agents", |bencher| {
        bencher.iter(|| decide(black_box(&facts(CustomerFact::None))));
    });
}

criterion_group!(benches, deciding);
criterion_main!(benches);
