package partition

import (
	"fmt"

	"odradek/core/record"
	"odradek/core/stream"
)

// Settled reports whether everything that the log was given counts: a follower fetches only then, for the offset that it asks for is its claim (row 38).
func (p *Partition) Settled() bool { return !p.cutting && p.ownEnd() == p.Ends.Log }

// Following reports whether this replica is to fetch from a leader.
func (p *Partition) Following() bool {
	return !p.leading && p.failed == 0 && p.assigned.Leader != p.self && p.assigned.Leader != record.NoNode
}

// Accept takes a batch that was fetched from the leader. An error: it does not go on from the log's end, or is of an epoch that it cannot have (row 23). rolled
// says that the disk must Roll to the batch's base offset first.
func (p *Partition) Accept(b *record.Batch, now record.UnixMillis) (rolled bool, err error) {
	switch latest := p.Epochs.Latest(); {
	case b.BaseOffset < p.Ends.Log:
		return false, fmt.Errorf("the leader sent offset %d, and the log ends at %d", b.BaseOffset, p.Ends.Log)
	case b.LeaderEpoch < latest || b.LeaderEpoch > p.assigned.LeaderEpoch:
		return false, fmt.Errorf("the leader of epoch %d sent a batch of epoch %d at offset %d; the log's last is %d", p.assigned.LeaderEpoch, b.LeaderEpoch, b.BaseOffset, latest)
	}
	p.unsynced += int64(b.Count)
	return p.Log.Accept(b, p.Roll, now), nil
}

// BeginsWithin reports whether a batch that was fetched for an empty log begins below its start and reaches it, and is one that the leader may have.
func (p *Partition) BeginsWithin(b *record.Batch) bool {
	fits := b.LeaderEpoch >= p.Epochs.Latest() && b.LeaderEpoch <= p.assigned.LeaderEpoch
	return fits && p.Start == p.Ends.Log && b.BaseOffset < p.Start && p.Start < b.NextOffset()
}

// Learn moves a follower's high watermark to what its leader said, as far as its log goes.
func (p *Partition) Learn(hw record.Offset, facts *Facts) {
	if hw = min(hw, p.Ends.Log); !p.leading && hw > p.hw {
		p.hw, facts.Moved = hw, true
		p.check()
	}
}

// Parting returns where a follower must cut its log, when its leader says that the epoch of its last batch, or the largest below that, ends at end: there, or where
// its own epochs up to that one end (KIP-279).
func (p *Partition) Parting(epoch record.Epoch, end record.Offset) record.Offset {
	own, ownEnd := p.Epochs.EndOffset(epoch, p.Ends.Log)
	if own == record.NoEpoch {
		ownEnd = p.Start
	}
	return max(min(end, ownEnd), p.Start)
}

// Cut begins a cut: what the log holds does not count until Reopened. lost is how many offsets below the high watermark go: none, unless an unclean election made a
// leader that lacks them.
func (p *Partition) Cut(to record.Offset) (lost record.Offset) {
	p.cutting = true
	if p.hw > to {
		lost, p.hw = p.hw-to, to
	}
	return lost
}

// Cutting reports whether a cut is under way.
func (p *Partition) Cutting() bool { return p.cutting }

// NotCut ends a cut that was not carried out.
func (p *Partition) NotCut() { p.cutting = false }

// Reopened takes the log over as it is after a cut. What it begins with is kept as far as it is there still.
func (p *Partition) Reopened(log stream.Log) {
	log.Generation = p.Generation
	log.Start = max(log.Start, min(p.Start, log.Ends.Log))
	p.Log, p.cutting, p.unsynced = log, false, 0
	p.hw = max(min(p.hw, log.Ends.Log), log.Start)
	p.check()
}
