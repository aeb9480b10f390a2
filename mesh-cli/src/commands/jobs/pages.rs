//! Goes through the jobs of all places page by page, since one answer has 1,000 at most.

use mesh_runtime::operator::{JobView, JobsIn, OperatorError, OperatorQueue};

use super::{
    filter::Filter,
    places::{Found, Places},
};
use crate::{
    error::{CliError, Result},
    output::now_ms,
};

/// The most jobs that one answer has.
const PAGE: usize = 1000;

/// How it is told that arguments were left out of an answer that would have become too long.
const TOO_LONG: &str = "too many for this answer";

/// Which jobs are looked for.
#[derive(Debug)]
pub(super) struct Wanted<'a> {
    pub(super) jobs_in: JobsIn,
    pub(super) filter: &'a Filter,
    /// The most that are kept: the first ones.
    pub(super) max: usize,
    /// Whether their errors and arguments are kept as well.
    pub(super) details: bool,
}

/// The jobs that were found.
#[derive(Debug, Default)]
pub(super) struct Listing {
    pub(super) jobs: Vec<Found>,
    /// There are more, or there may be.
    pub(super) more: bool,
    /// How many came without the arguments that the filter asks for.
    pub(super) closed: u64,
    /// Why the first of them did.
    pub(super) closed_why: Option<String>,
    /// Instances that may have jobs, and could not be asked.
    pub(super) unreached: Vec<String>,
}

impl Listing {
    /// An error with nothing to say if some could not be asked, which has been told.
    pub(super) fn must_be_complete(&self) -> Result<()> {
        if self.unreached.is_empty() {
            return Ok(());
        }
        Err(CliError::silent(1))
    }

    /// Takes in the jobs of another place, by their time. They stay in their order if there are no others.
    fn merge(&mut self, mut other: Self, max: usize) {
        self.more |= other.more;
        self.closed += other.closed;
        self.closed_why = self.closed_why.take().or(other.closed_why);
        if self.jobs.is_empty() {
            self.jobs = other.jobs;
            return;
        }
        self.jobs.append(&mut other.jobs);
        self.jobs
            .sort_by(|one, other| order(&one.view).cmp(&order(&other.view)));
        // Instances that share their dead letters all list them.
        self.jobs
            .dedup_by(|one, other| one.view.job == other.view.job);
        self.more |= self.jobs.len() > max;
        self.jobs.truncate(max);
    }
}

/// By when it died, is due, or was queued.
fn order(view: &JobView) -> (u64, &str) {
    let at_ms = view.died_ms.or(view.due_ms).unwrap_or(view.enqueued_ms);
    (at_ms, &view.job)
}

impl Places {
    /// The jobs of all places that are wanted.
    pub(super) async fn list(&self, wanted: &Wanted<'_>) -> Result<Listing> {
        let dead_of_all = self.dead_shared && wanted.jobs_in == JobsIn::Dead;
        let number = if dead_of_all { 1 } else { self.places.len() };
        let mut listing = Listing::default();
        if !dead_of_all {
            listing.unreached.clone_from(&self.unreached);
        }
        let walk = |place| self.walk(place, wanted);
        let take = |_, part| listing.merge(part, wanted.max);
        let failed = self.each(number, walk, take).await?;
        listing.unreached.extend(failed);
        Ok(listing)
    }

    /// The first jobs of one place that are wanted.
    async fn walk(
        &self,
        place: usize,
        wanted: &Wanted<'_>,
    ) -> std::result::Result<Listing, OperatorError> {
        let queue = self.places[place].queue();
        let all_meant = wanted.filter.is_empty() && self.only.is_none();
        let now = now_ms();
        let mut listing = Listing::default();
        let mut skip = 0;
        let mut first = None;
        // One more than wanted tells that there are more.
        while listing.jobs.len() <= wanted.max {
            let missing = wanted.max + 1 - listing.jobs.len();
            let size = if all_meant { missing.min(PAGE) } else { PAGE };
            let page = queue.list_from(wanted.jobs_in, skip, size).await?;
            let begins = page.first().map(|view| view.job.clone());
            // A node of a version before this one always begins with its first job.
            if begins.is_some() && begins == first {
                listing.more = true;
                break;
            }
            first = begins;
            skip += page.len();
            let ends = page.len() < size;
            for view in page {
                let mut found = self.at(view, place);
                if !self.is_meant(&found.view) {
                    continue;
                }
                match matches(&queue, &found.view, wanted.filter, now).await? {
                    Some(true) => {
                        if !wanted.details {
                            let view = &mut found.view;
                            (view.error, view.args, view.args_error) = (None, None, None);
                        }
                        listing.jobs.push(found);
                    }
                    Some(false) => {}
                    None => {
                        listing.closed += 1;
                        let why = found.view.args_error.as_deref();
                        let why = format!("{}: {}", found.view.job, why.unwrap_or("not told why"));
                        listing.closed_why.get_or_insert(why);
                    }
                }
            }
            if ends {
                break;
            }
        }
        listing.more |= listing.jobs.len() > wanted.max;
        listing.jobs.truncate(wanted.max);
        Ok(listing)
    }
}

/// As [`Filter::matches`]. Arguments for which there was no room in the list are fetched.
async fn matches(
    queue: &OperatorQueue<'_>,
    view: &JobView,
    filter: &Filter,
    now_ms: u64,
) -> std::result::Result<Option<bool>, OperatorError> {
    let matches = filter.matches(view, now_ms);
    if matches.is_some() || !is_too_long(view) {
        return Ok(matches);
    }
    Ok(match queue.get(&view.job).await? {
        Some(whole) if whole.jobs_in == view.jobs_in => filter.matches(&whole, now_ms),
        // It went meanwhile.
        _ => Some(false),
    })
}

fn is_too_long(view: &JobView) -> bool {
    let why = view.args_error.as_deref();
    why.is_some_and(|why| why.ends_with(TOO_LONG))
}

#[cfg(test)]
mod tests {
    use super::{super::print::tests::dead, *};

    /// Dead letters with these ids, and when they died.
    fn listing(letters: &[(&str, u64)]) -> Listing {
        let found = |(job, died_ms): &(&str, u64)| {
            let mut view = dead(job);
            view.died_ms = Some(*died_ms);
            Found { view, place: 0 }
        };
        Listing {
            jobs: letters.iter().map(found).collect(),
            ..Listing::default()
        }
    }

    fn ids(listing: &Listing) -> Vec<&str> {
        let jobs = listing.jobs.iter();
        jobs.map(|found| found.view.job.as_str()).collect()
    }

    #[test]
    fn places_are_merged_by_time_and_cut() {
        let mut all = listing(&[]);
        all.merge(listing(&[("a", 1), ("c", 3)]), 3);
        all.merge(listing(&[("b", 2)]), 3);
        assert_eq!((ids(&all), all.more), (vec!["a", "b", "c"], false));
        all.merge(listing(&[("d", 2)]), 3);
        assert_eq!((ids(&all), all.more), (vec!["a", "b", "d"], true));
    }

    #[test]
    fn letters_that_several_places_have_are_there_once() {
        let mut all = listing(&[("a", 1), ("b", 1)]);
        all.merge(listing(&[("a", 1), ("b", 1)]), 2);
        assert_eq!((ids(&all), all.more), (vec!["a", "b"], false));
    }

    #[test]
    fn jobs_of_one_place_keep_their_order() {
        let mut all = listing(&[]);
        all.merge(listing(&[("late", 9), ("early", 1)]), 2);
        assert_eq!(ids(&all), ["late", "early"]);
    }

    #[test]
    fn arguments_without_room_in_the_list_are_known() {
        let mut letter = dead("a-1");
        assert!(!is_too_long(&letter));
        letter.args = None;
        letter.args_error = Some("they have 9 bytes, too many for this answer".to_owned());
        assert!(is_too_long(&letter));
        letter.args_error = Some("they cannot be opened".to_owned());
        assert!(!is_too_long(&letter));
    }

    #[test]
    fn what_could_not_be_asked_is_an_error_that_was_told() {
        let mut all = listing(&[]);
        assert!(all.must_be_complete().is_ok());
        all.unreached.push("b1".to_owned());
        assert_eq!(all.must_be_complete().unwrap_err().what(), "");
    }
}
