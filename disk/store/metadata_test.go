package store

import (
	"fmt"
	"strings"
	"testing"

	"odradek/core"
	"odradek/core/record"
	"odradek/core/stream"
	"odradek/disk/vfs"
	"odradek/disk/vfs/osfs"
)

// heldFS is real files of which no folder of a partition is made before it may.
type heldFS struct {
	vfs.FS
	may chan struct{}
}

func (f *heldFS) Mkdir(path string) error {
	if !strings.HasPrefix(path, stream.MetadataName) {
		<-f.may
	}
	return f.FS.Mkdir(path)
}

// The metadata log waits for no partition's folder, nor do the small files beside it; its own order stands.
func TestMetadataPassesPartitions(t *testing.T) {
	k := newSink(t)
	fs := &heldFS{FS: osfs.New(t.TempDir()), may: make(chan struct{})}
	s, _ := open(t, fs, k)
	s.Do([]core.DiskOp{createOp(sid(0), "orders"), createOp(stream.Metadata, stream.MetadataName)}, nil, nil)
	for i := range record.Offset(20) {
		s.Do([]core.DiskOp{appendOp(t, stream.Metadata, i, 1, true)}, nil, nil)
	}
	k.durable(stream.Metadata, 0, 20)
	s.Do(nil, []core.Store{{Slot: core.QuorumStateSlot, Version: 1, Bytes: []byte("vote")}}, nil)
	k.wait("the vote", func(ev *core.Event) bool { return ev.Kind == core.EvStored && ev.Slot == core.QuorumStateSlot })
	s.Do([]core.DiskOp{{Kind: core.DiskTruncate, Stream: stream.Metadata, Generation: 1, To: 15}}, nil, nil)
	k.truncated(stream.Metadata, 1, 15)
	close(fs.may)
	s.Do([]core.DiskOp{appendOp(t, sid(0), 0, 1, true)}, nil, nil)
	k.durable(sid(0), 0, 1)
	last := record.Offset(0)
	for i := range k.all {
		if ev := &k.all[i]; ev.Kind == core.EvWritten && ev.Stream == stream.Metadata {
			if ev.UpTo < last {
				t.Errorf("written up to %d after %d", ev.UpTo, last)
			}
			last = ev.UpTo
		}
	}
	closeStore(t, s)
	s, found := open(t, fs.FS, newSink(t))
	defer closeStore(t, s)
	if len(found) != 2 {
		t.Errorf("found %+v", found)
	}
}

// Both add to one list of streams, beside one another, and a start finds all that is in it.
func TestMetadataIsListedBesidePartitions(t *testing.T) {
	dir, k := t.TempDir(), newSink(t)
	s, _ := open(t, osfs.New(dir), k)
	const partitions = 50
	for i := range partitions {
		if i == partitions/2 {
			s.Do([]core.DiskOp{createOp(stream.Metadata, stream.MetadataName), appendOp(t, stream.Metadata, 0, 1, true)}, nil, nil)
		}
		s.Do([]core.DiskOp{createOp(sid(i), fmt.Sprint("t", i)), appendOp(t, sid(i), 0, 1, true)}, nil, nil)
		if i%5 == 0 {
			s.Do([]core.DiskOp{{Kind: core.DiskDelete, Stream: sid(i), All: true}}, nil, nil)
		}
	}
	k.durable(stream.Metadata, 0, 1)
	closeStore(t, s)
	s, found := open(t, osfs.New(dir), newSink(t))
	if want := partitions - partitions/5 + 1; len(found) != want {
		t.Errorf("%d streams are found, want %d", len(found), want)
	}
	for i := range found {
		if o := found[i].Opened; o.LogEnd != 1 || o.Damage != "" {
			t.Errorf("%s: %+v", found[i].Stream, o)
		}
	}
	closeStore(t, s)
}
