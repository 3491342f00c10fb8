package controller

import (
	"cmp"
	"slices"

	"odradek/core/errcode"
	"odradek/core/image"
	"odradek/core/prng"
	"odradek/core/record"
)

// placer gives partitions their replicas as Kafka's StripedReplicaPlacer does: racks in turn from a random one on, in each rack its brokers in turn, unfenced
// ones before fenced ones. The first replica, which leads, is always unfenced.
type placer struct {
	random *prng.Source
	racks  []*rack
	offset int // of the rack where the next partition begins
	epoch  int // partitions placed since the last shuffle
	usable int // brokers that do not shut down
	able   int // of them unfenced
}

type rack struct {
	name             string // empty: none
	unfenced, fenced ring
}

// ring hands out brokers in turn, each once for a partition.
type ring struct {
	ids           []record.NodeID
	epoch         int
	index, offset int
}

func newPlacer(img *image.Image, random *prng.Source) *placer {
	w := &placer{random: random}
	for b := range img.Brokers() {
		if b.InControlledShutdown {
			continue
		}
		name := ""
		if b.Rack != nil {
			name = *b.Rack
		}
		i, found := slices.BinarySearchFunc(w.racks, name, func(r *rack, name string) int { return cmp.Compare(r.name, name) })
		if !found {
			w.racks = slices.Insert(w.racks, i, &rack{name: name})
		}
		w.usable++
		if b.Fenced {
			w.racks[i].fenced.ids = append(w.racks[i].fenced.ids, b.ID)
		} else {
			w.able++
			w.racks[i].unfenced.ids = append(w.racks[i].unfenced.ids, b.ID)
		}
	}
	for _, r := range w.racks {
		r.unfenced.offset, r.fenced.offset = w.draw(len(r.unfenced.ids)), w.draw(len(r.fenced.ids))
	}
	w.offset = w.draw(len(w.racks))
	return w
}

// draw returns a number below n; where there is no choice nothing is drawn.
func (w *placer) draw(n int) int {
	if n < 2 {
		return 0
	}
	return w.random.IntN(n)
}

// check refuses a replication factor that cannot be had.
func (w *placer) check(factor int16) *Problem {
	const prefix = "Unable to replicate the partition %d time(s): "
	switch {
	case w.able == 0:
		return problem(errcode.InvalidReplicationFactor, prefix+"All brokers are currently fenced.", factor)
	case int(factor) > w.usable:
		return problem(errcode.InvalidReplicationFactor, prefix+"The target replication factor of %d cannot be reached because only %d broker(s) are registered.",
			factor, factor, w.usable)
	}
	return nil
}

// place returns the replicas of the next partition. check was asked before.
func (w *placer) place(factor int) []record.NodeID {
	if w.epoch == w.able { // as many partitions as unfenced brokers: the next ones are to be placed otherwise
		w.shuffle()
		w.epoch = 0
	}
	if w.offset == len(w.racks) {
		w.offset = 0
	}
	replicas := make([]record.NodeID, 0, factor)
	first := w.offset
	for len(replicas) == 0 {
		if id, ok := w.racks[first].unfenced.next(w.epoch); ok {
			replicas = append(replicas, id)
			break
		}
		first = (first + 1) % len(w.racks)
	}
	for i := w.offset; len(replicas) < factor; i++ {
		i %= len(w.racks)
		if i == first {
			first = -1 // it has given one in this round
			continue
		}
		if id, ok := w.racks[i].next(w.epoch); ok {
			replicas = append(replicas, id)
		}
	}
	w.epoch++
	w.offset++
	return replicas
}

func (r *rack) next(epoch int) (record.NodeID, bool) {
	if id, ok := r.unfenced.next(epoch); ok {
		return id, true
	}
	return r.fenced.next(epoch)
}

func (r *ring) next(epoch int) (record.NodeID, bool) {
	if len(r.ids) == 0 {
		return 0, false
	}
	if r.epoch != epoch {
		r.epoch, r.index, r.offset = epoch, 0, (r.offset+1)%len(r.ids)
	}
	if r.index >= len(r.ids) {
		return 0, false
	}
	id := r.ids[(r.index+r.offset)%len(r.ids)]
	r.index++
	return id, true
}

func (w *placer) shuffle() {
	mix := func(n int, swap func(i, j int)) {
		for i := n - 1; i > 0; i-- {
			swap(i, w.draw(i+1))
		}
	}
	mix(len(w.racks), func(i, j int) { w.racks[i], w.racks[j] = w.racks[j], w.racks[i] })
	for _, r := range w.racks {
		for _, ring := range []*ring{&r.unfenced, &r.fenced} {
			mix(len(ring.ids), func(i, j int) { ring.ids[i], ring.ids[j] = ring.ids[j], ring.ids[i] })
			ring.epoch, ring.index, ring.offset = -1, 0, 0
		}
	}
}

// partitionRecord makes a partition: those of its replicas that take part are its ISR, and the first of them leads. false: none does.
func partitionRecord(img *image.Image, topic record.UUID, index int32, replicas []record.NodeID) (*image.PartitionRecord, bool) {
	p := &image.PartitionRecord{PartitionID: index, TopicID: topic, Replicas: replicas, Leader: record.NoNode}
	level := img.Feature(image.MetadataVersion)
	for _, id := range replicas {
		b, ok := img.Broker(id)
		if ok && active(b) {
			p.Isr = append(p.Isr, id)
		}
		if level >= image.MetadataVersionDirectories {
			dir := image.DirUnassigned
			if ok && len(b.LogDirs) == 1 { // where else
				dir = b.LogDirs[0]
			}
			p.Directories = append(p.Directories, dir)
		}
	}
	if len(p.Isr) == 0 {
		return nil, false
	}
	p.Leader = p.Isr[0]
	return p, true
}

// checkReplicas checks the replicas that a request gives to one partition, in Kafka's order: from the smallest number on. factor is that of the partitions
// before; 0: there are none.
func checkReplicas(img *image.Image, replicas []int32, factor int) *Problem {
	if len(replicas) == 0 {
		return problem(errcode.InvalidReplicaAssignment, "The manual partition assignment includes an empty replica list.")
	}
	sorted := slices.Sorted(slices.Values(replicas))
	for i, broker := range sorted {
		if _, ok := img.Broker(record.NodeID(broker)); !ok {
			return problem(errcode.InvalidReplicaAssignment, "The manual partition assignment includes broker %d, but no such broker is registered.", broker)
		}
		if i > 0 && sorted[i-1] == broker {
			return problem(errcode.InvalidReplicaAssignment, "The manual partition assignment includes the broker %d more than once.", broker)
		}
	}
	if factor != 0 && len(replicas) != factor {
		return problem(errcode.InvalidReplicaAssignment, "The manual partition assignment includes a partition with %d replica(s), but this is not "+
			"consistent with previous partitions, which have %d replica(s).", len(replicas), factor)
	}
	return nil
}

// assigned makes a partition with the replicas that a request gives it.
func assigned(img *image.Image, topic record.UUID, index int32, replicas []int32) (*image.PartitionRecord, *Problem) {
	ids := make([]record.NodeID, len(replicas))
	for i, id := range replicas {
		ids[i] = record.NodeID(id)
	}
	r, ok := partitionRecord(img, topic, index, ids)
	if !ok {
		return nil, problem(errcode.InvalidReplicaAssignment, "All brokers specified in the manual partition assignment for partition %d are fenced or in controlled shutdown.", index)
	}
	return r, nil
}
