//! Which verbs are asked, and with which words.

use super::world::World;

impl World {
    /// Asks for one verb.
    pub(super) fn verb(&mut self, desk: usize) {
        match self.chance.next(100) {
            0..17 => drop(self.act(desk, &["post", "-m", "a save"])),
            17..22 => self.with_path(desk, &["post"]),
            22..24 => self.post_on_branch(desk),
            24..36 => self.get_old(desk),
            36..40 => self.with_branch(desk, "get"),
            40..44 => self.get_one(desk),
            44..46 => drop(self.act(desk, &["get"])),
            46..47 => self.blend(desk),
            47..57 => drop(self.act(desk, &["put"])),
            57..60 => self.with_branch(desk, "put"),
            60..66 => self.meet(desk),
            66..69 => self.come(desk),
            69..76 => drop(self.act(desk, &["undo"])),
            76..78 => self.undo_one(desk),
            78..83 => drop(self.act(desk, &["redo"])),
            83..87 => self.with_path(desk, &["delete"]),
            87..88 => self.delete_label(desk),
            88..91 => self.mark(desk),
            91..93 => self.take(desk),
            93..95 => self.gather(desk),
            95..97 => self.carry(desk),
            97..98 => drop(self.act(desk, &["fade", "--keep", "30d"])),
            98..99 => self.tidy(desk),
            _ => drop(self.act(desk, &["status"])),
        }
    }

    fn with_path(&mut self, desk: usize, verb: &[&str]) {
        let path = self.path();
        self.act(desk, &[verb, &[&path]].concat());
    }

    fn branch(&mut self) -> String {
        let at = self.chance.next(self.branches.len() as u64) as usize;
        self.branches.iter().nth(at).cloned().unwrap_or_default()
    }

    fn with_branch(&mut self, desk: usize, verb: &str) {
        let branch = format!("?{}", self.branch());
        self.act(desk, &[verb, &branch]);
    }

    fn post_on_branch(&mut self, desk: usize) {
        let branch = self.new_branch();
        self.act(desk, &["post", &format!("?{branch}"), "-m", "elsewhere"]);
    }

    fn new_branch(&mut self) -> String {
        let branch = format!("side{}", self.chance.next(4));
        self.branches.insert(branch.clone());
        branch
    }

    fn get_old(&mut self, desk: usize) {
        if let Some(waypoint) = self.waypoint(desk) {
            self.act(desk, &["get", &format!("?{waypoint}")]);
        }
    }

    fn get_one(&mut self, desk: usize) {
        if let Some(waypoint) = self.waypoint(desk) {
            let path = self.path();
            self.act(desk, &["get", &format!("{path}?{waypoint}")]);
        }
    }

    fn blend(&mut self, desk: usize) {
        let (one, two) = (self.branch(), self.branch());
        self.act(desk, &["get", &format!("?{one}"), &format!("?{two}")]);
    }

    /// Meets the other home, if it serves.
    fn meet(&mut self, desk: usize) {
        let at = if self.desks[desk].house == 0 { 2 } else { 0 };
        let other = &mut self.desks[at].node;
        match other.address.clone().filter(|_| other.is_serving()) {
            Some(address) => drop(self.act(desk, &["put", "--peer", &address])),
            None => drop(self.act(desk, &["put"])),
        }
    }

    fn come(&mut self, desk: usize) {
        let branch = self.new_branch();
        self.act(desk, &["come", &branch]);
    }

    fn undo_one(&mut self, desk: usize) {
        if let Some(waypoint) = self.waypoint(desk) {
            self.act(desk, &["undo", &format!("?{waypoint}")]);
        }
    }

    fn delete_label(&mut self, desk: usize) {
        let name = match self.marks.last().cloned() {
            Some(mark) if self.chance.next(2) == 0 => mark,
            _ => self.branch(),
        };
        // What it shows is no longer to be found by its name.
        self.checkpoint();
        self.act(desk, &["delete", &format!("?{name}"), "-m", "not needed"]);
    }

    fn mark(&mut self, desk: usize) {
        let name = format!("v{}", self.chance.next(1000));
        let pin: &[&str] = if self.chance.next(3) == 0 { &["--pin"] } else { &[] };
        let out = self.act(desk, &[&["mark", &name, "-m", "a state"], pin].concat());
        self.marked(&name);
        if out.code == 0 {
            self.marks.insert(name);
        }
        if self.chance.next(20) == 0 {
            self.forget(desk);
        }
    }

    fn take(&mut self, desk: usize) {
        let told = self.act(desk, &["overlaps"]);
        let count = told.json["overlaps"].as_array().map_or(0, Vec::len) as u64;
        if count > 0 {
            let (which, alternative) = (self.chance.next(count).to_string(), self.chance.next(2).to_string());
            self.act(desk, &["overlaps", "take", &which, &alternative]);
        }
    }

    fn gather(&mut self, desk: usize) {
        if let (Some(one), Some(two)) = (self.waypoint(desk), self.waypoint(desk)) {
            let path = self.path();
            match self.chance.next(3) {
                0 => self.act(desk, &["post", "--from", &one, &two, "-m", "gathered"]),
                1 => self.act(desk, &["post", "--from", &one, "-m", "a part", "--", &path]),
                _ => {
                    let branch = format!("?{}", self.new_branch());
                    self.act(desk, &["post", "--from", &one, "--to", &branch, "-m", "gathered there"])
                }
            };
        }
    }

    /// Carries a bundle from this home to the other one.
    fn carry(&mut self, desk: usize) {
        let file = self.stage.path().join("carried.bundle");
        let file = file.to_str().unwrap().to_owned();
        let other = if self.desks[desk].house == 0 { 2 } else { 0 };
        if self.act(desk, &["bundle", &file]).code == 0 {
            self.act(other, &["unbundle", &file]);
        }
    }

    fn tidy(&mut self, desk: usize) {
        let words: &[&str] = if self.chance.next(2) == 0 { &["fsck", "--rebuild"] } else { &["verify"] };
        self.act(desk, words);
    }
}
