package partition

import (
	"slices"

	"odradek/core/record"
)

// follower is what a leader knows of another replica.
//
// Invariant: end is what the follower claimed in this leadership: it has the leader's records below it, durably (relaxed topics: written). NoOffset: it has not
// fetched in this leadership.
type follower struct {
	id      record.NodeID
	end     record.Offset
	claim   record.Offset // what it claimed with a broker epoch that is not known here: it becomes end when that is; NoOffset: nothing
	start   record.Offset // its log start, by its last fetch
	broker  int64         // broker epoch of its last fetch; -1: none
	caught  int64         // when it was last caught up, in ms
	fetched int64         // when it last fetched, in ms
	leader  record.Offset // the leader's log end at that time
}

// Heard enters a follower's fetch: it has everything below end. broker is its broker epoch, registered the one by the committed image, now in milliseconds. It returns false
// for a node that is no replica. Of a broker epoch that is not known here the claim waits: this leader may count one to be in sync that the controller has taken out, and what
// it and this leader alone have would be acknowledged, though of those that may lead next not min.insync.replicas have it.
func (p *Partition) Heard(id record.NodeID, broker, registered int64, end, start record.Offset, now int64, facts *Facts) bool {
	f := p.followerOf(id)
	if f == nil || !p.Leading() {
		return false
	}
	if f.claim = record.NoOffset; broker != registered {
		f.claim, f.end, f.start, f.broker, f.fetched, f.leader = end, record.NoOffset, start, broker, now, p.Ends.Log
		return true
	}
	// Caught up: it has all that there was, now or when it fetched last (KIP-16).
	switch {
	case end >= p.Ends.Log:
		f.caught = max(f.caught, now)
	case end >= f.leader && f.end != record.NoOffset:
		f.caught = max(f.caught, f.fetched)
	}
	if p.hardening {
		end = record.NoOffset // it may be written only
	}
	f.end, f.start, f.broker, f.fetched, f.leader = end, start, broker, now, p.Ends.Log
	p.advance(facts)
	return true
}

// Registered enters the claims that waited for their broker epochs to be known, and reports whether there were any, and whether some wait on.
func (p *Partition) Registered(epochOf func(record.NodeID) int64, facts *Facts) (entered, waits bool) {
	for i := range p.followers {
		switch f := &p.followers[i]; {
		case f.claim == record.NoOffset || !p.Leading():
		case f.broker == epochOf(f.id):
			entered = p.Heard(f.id, f.broker, f.broker, f.claim, f.start, f.fetched, facts) || entered
		default:
			waits = true
		}
	}
	return entered, waits
}

func (p *Partition) followerOf(id record.NodeID) *follower {
	for i := range p.followers {
		if p.followers[i].id == id {
			return &p.followers[i]
		}
	}
	return nil
}

// begin forgets what followers claimed to an earlier leader. The members of the ISR get a whole lag time to fetch.
func (p *Partition) beginFollowers(now int64) {
	p.followers = p.followers[:0]
	p.resetFollowers(now)
}

// resetFollowers brings the followers in line with the assigned replicas; what is known of those that stay is kept.
func (p *Partition) resetFollowers(now int64) {
	p.followers = slices.DeleteFunc(p.followers, func(f follower) bool { return !slices.Contains(p.assigned.Replicas, f.id) })
	for _, id := range p.assigned.Replicas {
		if id != p.self && p.followerOf(id) == nil {
			p.followers = append(p.followers, follower{id: id, end: record.NoOffset, claim: record.NoOffset, broker: -1, caught: now})
		}
	}
}

// inSync returns the end that every member of the maximal ISR has: those of the committed ISR, and those that are proposed, for the proposal may be committed
// already (KIP-497; row 10).
func (p *Partition) inSync() record.Offset {
	end := p.ownEnd()
	for i := range p.followers {
		f := &p.followers[i]
		if slices.Contains(p.assigned.ISR, f.id) || slices.Contains(p.proposed, f.id) || slices.Contains(p.doubted, f.id) {
			end = min(end, f.end)
		}
	}
	return end
}

// LowWatermark returns the least log start among the replicas that a predicate says are alive, as far as they have told.
func (p *Partition) LowWatermark(alive func(record.NodeID) bool) record.Offset {
	low := p.Start
	for i := range p.followers {
		if f := &p.followers[i]; alive(f.id) {
			low = min(low, f.start)
		}
	}
	return low
}

// Eligible says of a broker what membership in an ISR asks for: it is unfenced, not shutting down, and its registered epoch is this.
type Eligible func(id record.NodeID) (brokerEpoch int64, ok bool)

// Member is one of a proposed ISR.
type Member struct {
	ID    record.NodeID
	Epoch int64 // broker epoch, of its last fetch
}

// Propose returns the ISR that the committed one should become, or nil if it is right or a proposal is under way. A follower enters that has everything up to the
// high watermark and up to where this leader's epoch begins (row 4); a member leaves that was not caught up for lagMs.
func (p *Partition) Propose(now, lagMs int64, eligible Eligible) []Member {
	if !p.Leading() || p.proposing {
		return nil
	}
	list, changed := []Member{}, len(p.doubted) > 0
	for _, id := range p.assigned.Replicas {
		member := slices.Contains(p.assigned.ISR, id)
		epoch, ok := eligible(id)
		if id == p.self {
			list = append(list, Member{id, epoch})
			continue
		}
		f := p.followerOf(id)
		in := member
		switch {
		case member && f.end < p.Ends.Log && now-f.caught > lagMs:
			in = false
		case !member && f.end < p.Ends.Log && now-f.caught > lagMs: // it would leave at once
		case !member && ok && f.end != record.NoOffset && f.broker == epoch && f.end >= max(p.hw, p.epochStart):
			in = true
		}
		if changed = changed || in != member; !in {
			continue
		}
		if f.broker >= 0 {
			epoch = f.broker
		}
		list = append(list, Member{id, epoch})
	}
	if !changed {
		return nil
	}
	return list
}

// Proposed notes that an AlterPartition with these members is under way. Until the committed image answers it, or it is known to be refused, the members that it
// would add count for the high watermark.
func (p *Partition) Proposed(members []Member) {
	p.proposing, p.proposed = true, nil
	for _, m := range members {
		p.proposed = append(p.proposed, m.ID)
	}
}

// Refused ends a proposal that was refused. If the same was asked before and nobody knows what became of that, it may still be on its way to the controller: its
// members go on counting until the partition epoch is another one, which the next proposal brings about.
func (p *Partition) Refused(unsure bool, facts *Facts) {
	if unsure {
		p.doubted = append(p.doubted, p.proposed...)
	}
	p.proposing, p.proposed = false, nil
	p.advance(facts)
}
