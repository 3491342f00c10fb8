package sim

import (
	"fmt"
	"math"
	"strings"

	"odradek/core"
	"odradek/core/controller"
	"odradek/core/image"
	"odradek/core/record"
)

// LongLife is what a cluster's earlier life has come to when the world begins. What a minute does not reach, numbers near their end, many seeds begin with: by what
// the disk and the clients bring along, as they would.
type LongLife struct {
	MetadataEnd   record.Offset     // where the metadata log stands: broker epochs are offsets of it; 0: the cluster is new
	Epoch         record.Epoch      // of the metadata quorum
	NextProducer  record.ProducerID // the next block's first
	FirstSequence int32             // of producers, under each new id
}

// drawLongLife has one seed of three go on from a long life, and one of two number records so that sequences reach their end.
func drawLongLife(o *Options) {
	rng := source(o.Seed, forLongLife)
	l := LongLife{MetadataEnd: pick(&rng, 1<<31-30, 1<<53-1, record.Offset(1)<<62), Epoch: math.MaxInt32 - record.Epoch(between(&rng, 1000, 2000)),
		NextProducer: pick(&rng, 1<<31-1000, 1<<32-500, math.MaxInt64-record.ProducerID(controller.ProducerIDBlock)*1000)}
	if rng.IntN(3) > 0 {
		l = LongLife{}
	}
	if near := math.MaxInt32 - int32(between(&rng, 0, 40)); rng.IntN(2) == 0 {
		l.FirstSequence = near
	}
	o.Life = l
	for i := range o.Clients {
		o.Clients[i].FirstSequence = l.FirstSequence
	}
}

// liveThrough puts on the disk what the life has left of the metadata: a snapshot, and the log behind it without a record.
func (n *node) liveThrough(l *LongLife) error {
	if l.MetadataEnd == 0 {
		return nil
	}
	fs := n.disk.Mount()
	folder := n.rootOf(0) + core.SnapshotFolder
	if root := strings.TrimSuffix(n.rootOf(0), "/"); root != "" {
		if err := fs.Mkdir(root); err != nil {
			return err
		}
	}
	if err := fs.Mkdir(folder); err != nil {
		return err
	}
	snapshot, err := l.snapshot()
	if err != nil {
		return err
	}
	for name, text := range map[string][]byte{ // any order: they are different files
		fmt.Sprintf("%020d-%010d.checkpoint", l.MetadataEnd, l.Epoch): snapshot,
		fmt.Sprintf("%020d.log", l.MetadataEnd):                       nil,
	} {
		file, err := fs.Create(folder + "/" + name)
		if err == nil {
			_, err = file.WriteAt([][]byte{text}, 0)
		}
		if err == nil {
			err = file.SyncData()
		}
		if err != nil {
			return err
		}
	}
	return fs.SyncAll()
}

// snapshot writes the life's metadata in the layout of Kafka's snapshots: a header, records, a footer.
func (l *LongLife) snapshot() (file []byte, err error) {
	var builder record.Builder
	next := record.Offset(0)
	batch := func(attributes record.Attributes, fill func() error) {
		spec := record.PlainSpec(attributes)
		spec.BaseOffset, spec.LeaderEpoch = next, l.Epoch
		builder.Reset(spec)
		if err == nil {
			err = fill()
		}
		if err == nil {
			var b record.Batch
			b, err = builder.Build(nil)
			next, file = b.NextOffset(), append(file, b.Data...)
		}
	}
	control := func(c image.Control) func() error {
		return func() error {
			value, err := image.AppendControl(nil, c)
			builder.Append(wallBase, record.AppendControlKey(nil, c.ControlType()), value, nil)
			return err
		}
	}
	batch(record.AttrControl, control(&image.SnapshotHeader{LastContainedTimestamp: wallBase}))
	batch(0, func() error {
		for _, r := range []image.Record{&image.FeatureLevelRecord{Name: image.MetadataVersion, Level: controller.MetadataVersion},
			&image.ProducerIDsRecord{BrokerID: 1, NextProducerID: l.NextProducer}} {
			value, err := image.AppendRecord(nil, r, image.VersionFor(r, controller.MetadataVersion))
			if err != nil {
				return err
			}
			builder.Append(wallBase, nil, value, nil)
		}
		return nil
	})
	batch(record.AttrControl, control(&image.SnapshotFooter{}))
	return file, err
}
