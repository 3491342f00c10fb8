package linearizability

// The anomalies of Jepsen's kafka workload. The version order of a partition is that of its offsets; what all reads returned counts, what was sent counts
// once it is acknowledged or was read.

// anomalies finds them in one partition.
func (p *part) anomalies() {
	p.enter()
	p.given()
	p.twice()
	p.lost()
	p.readers()
	p.senders()
}

// given: what is read was sent, and not surely refused.
func (p *part) given() {
	for _, op := range p.ops {
		if op.Op != Poll && op.Op != Final {
			continue
		}
		for i, v := range op.Values {
			switch by := p.sent[v]; {
			case by == nil:
				p.report(Phantom, op, "offset %d holds %d, which nobody sent", op.Offsets[i], v)
			case by.Outcome == Fail:
				p.report(AbortedRead, op, "offset %d holds %d, which process %d was told is not written", op.Offsets[i], v, by.Process)
			}
		}
	}
}

// twice: a value has one place. What was lost and sent again has a second one, but not at the same time. With damaged batches a log has lost what it knew of
// their producers.
func (p *part) twice() {
	for _, op := range p.ops {
		if op.Op != Produce || len(p.damaged) > 0 {
			continue
		}
		for _, v := range op.Values {
			p.twiceIn(op, v, p.places[v])
		}
	}
}

func (p *part) twiceIn(op *Operation, value uint64, places []slot) {
	for i, a := range places {
		for _, b := range places[i+1:] {
			if p.slots[a].sure && p.slots[b].sure && a.first <= p.until(b) && b.first <= p.until(a) {
				p.report(Duplicate, op, "%d is at offset %d and at %d", value, a.offset, b.offset)
			}
		}
	}
}

// lost: what was acknowledged is there at the end, unless its log has lost it with leave, or deleted it as old.
func (p *part) lost() {
	if p.final == nil {
		return
	}
	highest := int64(NoOffset)
	for _, o := range p.final.Offsets {
		highest = max(highest, o)
	}
	for _, op := range p.ops {
		if op.Op != Produce || op.Outcome != OK {
			continue
		}
		for i, v := range op.Values {
			if op.Offset == NoOffset {
				if len(p.places[v]) == 0 && p.final.Offset == 0 && len(p.ends) == 0 && len(p.damaged) == 0 {
					p.report(LostWrite, op, "%d was sent, and nobody finds it", v)
				}
				continue
			}
			p.lostAt(op, op.Offset+int64(i), v, highest)
		}
	}
}

func (p *part) lostAt(op *Operation, offset int64, value uint64, highest int64) {
	for _, s := range p.places[value] {
		if s.offset != offset {
			continue
		}
		if p.slots[s].inLast || !p.slots[s].sure || p.until(s) < len(p.ends) || offset < p.final.Offset || p.isDamaged(offset) {
			return
		}
		a := LostWrite
		if offset > highest {
			a = Unseen
		}
		p.report(a, op, "%d was acknowledged at offset %d, and nobody finds it there", value, offset)
		return
	}
}

// readers: each goes on where it was, over every record that is known to be there.
func (p *part) readers() {
	position := map[int]int64{}
	for _, op := range p.told {
		switch op.Op {
		case Seek:
			position[op.Process] = op.Offset
		case Poll:
			at, ok := position[op.Process]
			if !ok || at == NoOffset {
				at = op.Offset
			}
			p.poll(op, at)
			position[op.Process] = op.Next
		case Final:
			p.poll(op, op.Offset)
		}
	}
}

func (p *part) poll(op *Operation, at int64) {
	if op.Offset < at {
		p.report(NonmonotonicPoll, op, "the reader stood at %d and reads from %d", at, op.Offset)
	}
	last := op.Offset - 1
	for _, o := range op.Offsets {
		if o <= last || o >= op.Next {
			p.report(NonmonotonicPoll, op, "offset %d comes after %d, in a read from %d to %d", o, last, op.Offset, op.Next)
		}
		last = o
	}
	lo, hi := p.incarnations(op)
	if lo != hi {
		return // it cannot be said what was there
	}
	i := 0
	for _, o := range p.between(lo, min(at, op.Offset), op.Next) {
		for i < len(op.Offsets) && op.Offsets[i] < o {
			i++
		}
		if (i == len(op.Offsets) || op.Offsets[i] != o) && o >= at && !p.isDamaged(o) && (op.Op == Poll || p.slots[p.at(o, lo)].shown < maxTime) {
			p.report(PollSkip, op, "the reader went from %d to %d and was not given offset %d", at, op.Next, o)
			return
		}
	}
}

// senders: what one process sent, and is there at the end, lies in the order in which it was sent. A log that has lost its end, or batches, has lost with them what
// it knew of their producers: of two batches under way it may take the second and refuse the first.
func (p *part) senders() {
	if len(p.damaged) > 0 || len(p.ends) > 0 {
		return
	}
	type sent struct {
		value  uint64
		offset int64
	}
	last := map[int]sent{}
	for _, op := range p.ops {
		if op.Op != Produce {
			continue
		}
		for _, v := range op.Values {
			offset, ok := p.lasting(v)
			if !ok {
				continue
			}
			if before, ok := last[op.Process]; ok && offset < before.offset {
				p.report(NonmonotonicSend, op, "%d is at offset %d, before %d at %d, which was sent earlier", v, offset, before.value, before.offset)
				continue
			}
			last[op.Process] = sent{v, offset}
		}
	}
}

// lasting returns the first offset at which a value lies at the end.
func (p *part) lasting(value uint64) (int64, bool) {
	least, ok := maxTime, false
	for _, s := range p.places[value] {
		if p.slots[s].sure && p.until(s) == len(p.ends) {
			least, ok = min(least, s.offset), true
		}
	}
	return least, ok
}
