//! Fair timing on a busy machine: the thread's own CPU time, every case in turn, medians of many short rounds.

use std::hint::black_box;

/// One thing that is measured.
pub struct Case<'c> {
    pub id: &'static str,
    pub name: &'static str,
    /// The case it is compared with.
    pub base: &'static str,
    run: Box<dyn FnMut(u64) + 'c>,
}

impl<'c> Case<'c> {
    /// A case that calls `once`.
    pub fn new<R>(
        id: &'static str,
        name: &'static str,
        base: &'static str,
        mut once: impl FnMut() -> R + 'c,
    ) -> Self {
        let run = Box::new(move |times| {
            for _ in 0..times {
                black_box(once());
            }
        });
        Self {
            id,
            name,
            base,
            run,
        }
    }
}

/// What came out for one case, in µs per call.
#[derive(Clone, Debug)]
pub struct Figure {
    pub id: &'static str,
    pub name: &'static str,
    pub base: &'static str,
    pub us: f64,
    pub minimum: f64,
    /// The median of the rounds' own ratios to the base.
    pub ratio: f64,
    /// The median of the rounds' own differences to the base, in µs.
    pub over: f64,
}

/// Runs the cases in turn, `rounds` times, in batches of about `batch_us`.
pub fn measure(cases: &mut [Case<'_>], rounds: usize, batch_us: f64) -> Vec<Figure> {
    let batches: Vec<u64> = cases
        .iter_mut()
        .map(|case| {
            (case.run)(20);
            let each = timed(thread_cpu_ns, 50, &mut case.run);
            ((batch_us / each) as u64).max(5)
        })
        .collect();
    let mut samples = vec![Vec::with_capacity(rounds); cases.len()];
    for round in 0..rounds + 2 {
        for (index, case) in cases.iter_mut().enumerate() {
            // A few calls bring the case's own data into the caches.
            (case.run)(batches[index] / 10 + 1);
            let us = timed(thread_cpu_ns, batches[index], &mut case.run);
            if round >= 2 {
                samples[index].push(us);
            }
        }
    }
    let labels: Vec<_> = cases
        .iter()
        .map(|case| (case.id, case.name, case.base))
        .collect();
    figures(&labels, &samples)
}

/// Medians of samples that were taken in the same rounds.
pub fn figures(
    labels: &[(&'static str, &'static str, &'static str)],
    samples: &[Vec<f64>],
) -> Vec<Figure> {
    let place = |id| {
        labels
            .iter()
            .position(|(own, ..)| *own == id)
            .expect("the base is measured")
    };
    let compare = |own: &[f64], base: &[f64], how: fn(f64, f64) -> f64| {
        median(
            own.iter()
                .zip(base)
                .map(|(own, base)| how(*own, *base))
                .collect(),
        )
    };
    labels
        .iter()
        .zip(samples)
        .map(|(&(id, name, base), own)| {
            let reference = &samples[place(base)];
            Figure {
                id,
                name,
                base,
                us: median(own.clone()),
                minimum: own.iter().copied().fold(f64::INFINITY, f64::min),
                ratio: compare(own, reference, |own, base| own / base),
                over: compare(own, reference, |own, base| own - base),
            }
        })
        .collect()
}

fn timed(clock: impl Fn() -> u64, times: u64, run: &mut dyn FnMut(u64)) -> f64 {
    let start = clock();
    run(times);
    (clock() - start) as f64 / times as f64 / 1000.0
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    let middle = values.len() / 2;
    if values.len() % 2 == 1 {
        values[middle]
    } else {
        f64::midpoint(values[middle - 1], values[middle])
    }
}

/// The CPU time of this thread, so that other work on the machine does not count.
pub fn thread_cpu_ns() -> u64 {
    cpu_ns(libc::CLOCK_THREAD_CPUTIME_ID)
}

/// The time on one of the system's clocks.
pub fn cpu_ns(clock: libc::clockid_t) -> u64 {
    let mut time = libc::timespec {
        tv_sec: 0,
        tv_nsec: 0,
    };
    // SAFETY: the pointer is to a live, writable timespec.
    let status = unsafe { libc::clock_gettime(clock, &raw mut time) };
    assert_eq!(status, 0, "the clock does not exist");
    time.tv_sec as u64 * 1_000_000_000 + time.tv_nsec as u64
}
