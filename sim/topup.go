package sim

// What a kind draws may be little, and what it draws may find no occasion: no connection is open, no process runs. So that no seed of the standard profile is a quiet
// one, kinds that are on strike besides while fewer faults have happened than are due. These blows have a generator of their own: they shift no others.

// faultsLeast is how many faults a seed of the profile has at least; --rate low is what it says.
func (p Profile) faultsLeast() int {
	if p.Name == Single && p.Rate == Usual {
		return 20
	}
	return 0
}

// topUps is in how many places of the safety phase the faults are counted. Each makes up for one.
const topUps = 100

// topUp lets one fault more happen if fewer have than are due. All are due some time before the end: one that waits for its occasion may have to be made up for.
func (w *World) topUp() {
	if w.phase != phaseSafety {
		return
	}
	w.after(w.opt.Safety/topUps, event{kind: evTopUp})
	due := Time(w.opt.Profile.faultsLeast()) * w.now / (w.opt.Safety * 3 / 4)
	had := Time(0)
	for _, n := range w.counts {
		had += Time(n)
	}
	if had < due {
		w.fallBesides()
	}
}

// fallBesides draws a fault of the kinds that are on.
func (w *World) fallBesides() {
	var on []faultKind
	for k := range w.faults {
		if w.opt.Faults[k] > 0 && !faultKind(k).isLast() {
			on = append(on, faultKind(k))
		}
	}
	drawn := w.more.Drawn()
	b := w.drawBlow(&w.more)
	k := pick(&w.more, on...)
	w.decided(k, FromTopUp, drawn)
	w.land(k, &b)
}
