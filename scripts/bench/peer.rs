// What search.ts and lines.ts do, in Rust, by memmap2 and memchr.
// usage: peer indexOf|count|offsets|bytes|strings NEEDLE FILE PASSES EXPECTED
use memchr::{memchr, memchr_iter, memmem};
use std::{env, fs::File, hint::black_box, time::Instant};

fn each_line<'a>(bytes: &'a [u8], take: impl Fn(&'a [u8]) -> usize) -> usize {
    let (mut at, mut sum) = (0, 0);
    while at < bytes.len() {
        let newline = memchr(b'\n', &bytes[at..]).map(|found| at + found);
        let line = &bytes[at..newline.unwrap_or(bytes.len())];
        sum += take(line.strip_suffix(b"\r").unwrap_or(line));
        at = newline.unwrap_or(bytes.len()) + 1;
    }
    sum
}

fn main() {
    let options: Vec<String> = env::args().collect();
    let [_, way, needle, path, passes, expected] = options.as_slice() else { panic!("five arguments") };
    let file = File::open(path).unwrap();
    let bytes = unsafe { memmap2::Mmap::map(&file).unwrap() };
    let finder = memmem::Finder::new(needle);
    let once = || -> usize {
        match way.as_str() {
            "indexOf" => finder.find(&bytes).unwrap_or(usize::MAX),
            "count" if needle.len() == 1 => memchr_iter(needle.as_bytes()[0], &bytes).count(),
            "count" => finder.find_iter(&bytes).count(),
            "strings" => each_line(&bytes, |line| black_box(String::from_utf8_lossy(line).into_owned()).len()),
            _ => each_line(&bytes, <[u8]>::len),
        }
    };
    let mut samples = Vec::new();
    for pass in 0..=passes.parse::<usize>().unwrap() {
        let start = Instant::now();
        let answer = once();
        let spent = start.elapsed();
        assert_eq!(answer, expected.parse::<usize>().unwrap());
        if pass > 0 {
            samples.push(spent.as_nanos().to_string());
        }
    }
    println!("[{}]", samples.join(","));
}
