package controller

import (
	"slices"

	"odradek/core/config"
	"odradek/core/image"
	"odradek/core/record"
)

// election decides leaders, ISRs and ELRs as Kafka's PartitionChangeBuilder does, over an image in which brokers are already what they become.
type election struct {
	node  *config.Node // as img configures it
	img   *image.Image
	elr   bool
	topic string // whose configs are read
	cfg   config.Topic
}

// ask is what is to become of a partition. The zero value asks only for a leader where none can lead now.
type ask struct {
	isr         []record.NodeID // the ISR to be; nil: as it is
	leaves      *record.NodeID  // leaves the ISR; the last member stays, or goes to the ELR
	lost        bool            // what leaves may have lost what it had: it leaves the ELR, too
	prefer      bool            // the first replica leads if it can
	unclean     bool            // anyone may lead
	recovered   bool            // the leader has finished its recovery
	directories []record.UUID   // nil: as they are
}

// newElection begins decisions over img as it is when records, which are of brokers, are applied.
func (s *State) newElection(img *image.Image, records ...image.Record) *election {
	next, err := img.Replay(records, img.At())
	if err != nil {
		panic("invariant: own record of a broker does not replay: " + err.Error())
	}
	return &election{node: s.Config.At(next), img: next, elr: img.Feature(image.EligibleLeaders) > 0 && img.Feature(image.MetadataVersion) >= image.MetadataVersionElr}
}

// configs returns what a topic is configured to.
func (e *election) configs(t *image.Topic) *config.Topic {
	if e.topic != t.Name {
		e.topic = t.Name
		e.cfg, _ = config.StoredTopic(e.node, config.Entries(e.img, image.ResourceTopic, t.Name))
	}
	return &e.cfg
}

// draft is a partition in the making.
type draft struct {
	p         *image.Partition
	dirs      []record.UUID
	isr, elr  []record.NodeID
	leader    record.NodeID
	recovery  int8
	lastKnown []record.NodeID
	unclean   bool // the leader may lack committed records
}

// change returns the record that gives a partition what is asked for and, as far as it follows, another leader; nil if nothing changes.
func (e *election) change(t *image.Topic, partition int, a ask) *image.PartitionChangeRecord {
	p := t.Partitions[partition]
	d := &draft{p: p, dirs: p.Directories, isr: p.Isr, elr: p.Elr, leader: p.Leader, recovery: p.RecoveryState, lastKnown: p.LastKnownElr}
	if a.directories != nil {
		d.dirs = a.directories
	}
	if a.isr != nil {
		d.isr = a.isr
	}
	if a.recovered {
		d.recovery = 0
	}
	if a.leaves != nil {
		e.leave(d, a)
	}
	e.elect(t, d, a)
	e.settleElr(t, d, a)

	c := image.NewPartitionChange()
	c.TopicID, c.PartitionID, c.Directories = t.ID, int32(partition), a.directories
	if d.leader != p.Leader {
		c.Leader = d.leader
	}
	if d.recovery != p.RecoveryState {
		c.RecoveryState = d.recovery
	}
	c.Isr, c.Elr, c.LastKnownElr = differs(p.Isr, d.isr), differs(p.Elr, d.elr), differs(p.LastKnownElr, d.lastKnown)
	if c.Leader == image.LeaderSame && c.RecoveryState == image.RecoverySame && c.Isr == nil && c.Elr == nil && c.LastKnownElr == nil && c.Directories == nil {
		return nil
	}
	return c
}

// differs returns what a record says of a list: nil if it stays as it is, never nil else.
func differs(before, after []record.NodeID) []record.NodeID {
	if slices.Equal(before, after) {
		return nil
	}
	return append([]record.NodeID{}, after...)
}

// leave takes a broker out of the ISR. Without eligible leader replicas the last member stays: nobody else has every committed record.
func (e *election) leave(d *draft, a ask) {
	isr := without(d.isr, *a.leaves)
	if len(isr) > 0 || e.elr {
		d.isr = isr
	}
	if a.lost {
		d.elr = without(d.elr, *a.leaves)
	}
}

// elect chooses the leader: the present one as long as it can, else the first replica that can. Those in the ISR can or, if it is empty, in the ELR: they hold
// every committed record. Without such a one, ISR and ELR being empty, the last known leader, if exactly one is known; else, where that is configured or
// asked for, anyone: these may lack records, and the partition is marked as recovering.
func (e *election) elect(t *image.Topic, d *draft, a ask) {
	eligible := d.isr
	if len(eligible) == 0 && e.elr {
		eligible = d.elr
	}
	serves := func(id record.NodeID) bool { return e.serves(d, id) }
	can := func(id record.NodeID) bool { return slices.Contains(eligible, id) && serves(id) }
	first := func(can func(record.NodeID) bool) bool {
		if i := slices.IndexFunc(d.p.Replicas, can); i >= 0 {
			d.leader = d.p.Replicas[i]
			return true
		}
		return false
	}
	switch {
	case a.prefer && len(d.p.Replicas) > 0 && can(d.p.Replicas[0]):
		d.leader = d.p.Replicas[0]
	case can(d.leader) || first(can):
	case e.elr && len(eligible) == 0 && len(d.lastKnown) == 1 && serves(d.lastKnown[0]):
		d.leader, d.isr, d.recovery, d.unclean = d.lastKnown[0], []record.NodeID{d.lastKnown[0]}, 1, true
	case slices.ContainsFunc(d.p.Replicas, serves) && (a.unclean || e.configs(t).UncleanElection):
		first(serves)
		d.isr, d.recovery, d.unclean = []record.NodeID{d.leader}, 1, true
	default:
		d.leader = record.NoNode
	}
	if d.leader != record.NoNode && len(d.isr) == 0 {
		d.isr = []record.NodeID{d.leader}
	}
}

// settleElr keeps in the ELR who left an ISR that is too small to commit anything more: they have all that is committed. Of a partition that loses its last
// eligible leader the last one is kept in mind.
func (e *election) settleElr(t *image.Topic, d *draft, a ask) {
	if !e.elr {
		return
	}
	if len(d.isr) > 0 && len(d.isr) >= min(int(e.configs(t).MinInsync), len(d.p.Replicas)) {
		d.elr, d.lastKnown = nil, nil
		return
	}
	var elr []record.NodeID
	for _, id := range slices.Concat(d.p.Elr, d.p.Isr) {
		if lost := a.lost && id == *a.leaves; !lost && !slices.Contains(d.isr, id) && !slices.Contains(elr, id) {
			elr = append(elr, id)
		}
	}
	if d.unclean {
		elr = nil // who leads now may lack what they have
	}
	if d.elr = elr; len(d.isr) > 0 {
		d.lastKnown = nil
	} else if d.p.Leader != record.NoNode {
		d.lastKnown = []record.NodeID{d.p.Leader}
	}
}

// serves reports whether a broker may lead what lies in its directory.
func (e *election) serves(d *draft, id record.NodeID) bool {
	i := slices.Index(d.p.Replicas, id)
	if i < 0 {
		return false
	}
	dir := image.DirUnassigned
	if i < len(d.dirs) {
		dir = d.dirs[i]
	}
	b, ok := e.img.Broker(id)
	return ok && active(b) && image.DirOnline(dir, b.LogDirs)
}

// active reports whether a broker takes part: it is unfenced and does not leave.
func active(b *image.Broker) bool { return !b.Fenced && !b.InControlledShutdown }

func without(list []record.NodeID, id record.NodeID) []record.NodeID {
	return slices.DeleteFunc(slices.Clone(list), func(other record.NodeID) bool { return other == id })
}

// leaderless returns the records that give partitions without a leader one, where somebody can lead.
func (e *election) leaderless() (records []image.Record) {
	for t := range e.img.Topics() {
		for i, p := range t.Partitions {
			if p.Leader == record.NoNode {
				if c := e.change(t, i, ask{}); c != nil && c.Leader != image.LeaderSame {
					records = append(records, c)
				}
			}
		}
	}
	return records
}

// departed returns the records that follow when a broker can lead and be in sync no more. lost tells of the topics in which it may have lost what it had.
func (e *election) departed(id record.NodeID, lost func(*image.Topic) bool) (records []image.Record) {
	for t := range e.img.Topics() {
		for i, p := range t.Partitions {
			inIsr, inElr := p.Leader == id || slices.Contains(p.Isr, id), slices.Contains(p.Elr, id)
			if !inIsr && !inElr {
				continue
			}
			a := ask{leaves: &id, lost: lost(t)}
			if !inIsr && !a.lost {
				continue
			}
			if c := e.change(t, i, a); c != nil {
				records = append(records, c)
			}
		}
	}
	return records
}

// emptyElrs adds to changes of configs what follows from another min.insync.replicas: where the ISR is large enough by now, records are committed that nobody in
// the ELR has.
func (s *State) emptyElrs(img *image.Image, records []image.Record) []image.Record {
	if !slices.ContainsFunc(records, func(r image.Record) bool { return r.(*image.ConfigRecord).Name == "min.insync.replicas" }) {
		return records
	}
	e := s.newElection(img, records...)
	for t := range e.img.Topics() {
		for i, p := range t.Partitions {
			if len(p.Elr) == 0 {
				continue
			}
			if c := e.change(t, i, ask{}); c != nil {
				records = append(records, c)
			}
		}
	}
	return records
}

func nothingLost(*image.Topic) bool { return false }

// Elect returns the records that give partitions without a leader one, where somebody can lead: what a new controller looks for first.
func (s *State) Elect(img *image.Image) []image.Record { return s.newElection(img).leaderless() }
