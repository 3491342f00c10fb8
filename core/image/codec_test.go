package image

import (
	"bytes"
	"encoding/hex"
	"errors"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/twmb/franz-go/pkg/kmsg"
	"pgregory.net/rapid"

	"odradek/core/record"
)

var testU = record.UUID{0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15}

const hexU = "000102030405060708090a0b0c0d0e0f"

func text(s string) *string { return &s }

func unhex(t testing.TB, s string) []byte {
	b, err := hex.DecodeString(strings.ReplaceAll(strings.ReplaceAll(s, "U", hexU), " ", ""))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// The bytes of RECORDS §11, both ways.
func TestRecordBytes(t *testing.T) {
	node := []record.NodeID{1}
	change := NewPartitionChange()
	change.TopicID, change.Isr, change.Leader, change.Elr = testU, []record.NodeID{}, record.NoNode, node
	change.Directories = []record.UUID{testU}
	for _, c := range []struct {
		r       Record
		version int16
		hex     string
	}{
		{&FeatureLevelRecord{Name: "metadata.version", Level: 29}, 0, "01 0c 00 11 6d657461646174612e76657273696f6e 001d 00"},
		{&BeginTransactionRecord{Name: text("Bootstrap records")}, 0, "01 17 00 01 00 12 12 426f6f747374726170207265636f726473"},
		{&EndTransactionRecord{}, 0, "01 18 00 00"},
		{&NoOpRecord{}, 0, "01 14 00 00"},
		{&ConfigRecord{ResourceType: ResourceBroker, Name: "min.insync.replicas", Value: text("1")}, 0,
			"01 04 00 04 01 14 6d696e2e696e73796e632e7265706c69636173 02 31 00"},
		{&PartitionRecord{TopicID: testU, Replicas: node, Isr: node, Leader: 1, Directories: []record.UUID{DirUnassigned}}, 2,
			"01 03 02 00000000 U 02 00000001 02 00000001 01 01 00000001 00000000 00000000 02 00000000000000000000000000000001 00"},
		{change, 2, "01 05 02 00000000 U 04 00 01 01 01 04 ffffffff 06 05 02 00000001 08 11 02 U"},
		{&BrokerRegistrationChangeRecord{BrokerID: 1, BrokerEpoch: 7, Fenced: -1}, 0, "01 11 00 00000001 0000000000000007 01 00 01 ff"},
	} {
		want := unhex(t, c.hex)
		got, err := AppendRecord(nil, c.r, c.version)
		if err != nil || !bytes.Equal(got, want) {
			t.Errorf("%s: wrote %x, %v; want %x", c.r.Type(), got, err, want)
		}
		back, version, err := ParseRecord(want)
		if err != nil || version != c.version || !reflect.DeepEqual(back, c.r) {
			t.Errorf("%s: read %+v, %v", c.r.Type(), back, err)
		}
		if v := VersionFor(c.r, MetadataVersionLatest); v != c.version {
			t.Errorf("%s: version %d under %d", c.r.Type(), v, MetadataVersionLatest)
		}
	}
}

func TestControlBytes(t *testing.T) {
	node := []record.NodeID{1}
	for _, c := range []struct {
		r   Control
		hex string
	}{
		{&LeaderChange{Leader: 1, Voters: node, Granting: node}, "0000 00000001 02 00000001 00 02 00000001 00 00"},
		{&KRaftVersion{Level: 1}, "0000 0001 00"},
		{&SnapshotHeader{LastContainedTimestamp: 7}, "0000 0000000000000007 00"},
		{&SnapshotFooter{}, "0000 00"},
		{&Voters{Voters: []Voter{{ID: 1, DirectoryID: testU, Endpoints: []VoterEndpoint{{"CONTROLLER", "h", 9093}}, Max: 1}}},
			"0000 02 00000001 U 02 0b 434f4e54524f4c4c4552 02 68 2385 00 0000 0001 00 00 00"},
	} {
		want := unhex(t, c.hex)
		got, err := AppendControl(nil, c.r)
		if err != nil || !bytes.Equal(got, want) {
			t.Errorf("%T: wrote %x, %v; want %x", c.r, got, err, want)
		}
		if back, err := ParseControl(c.r.ControlType(), want); err != nil || !reflect.DeepEqual(back, c.r) {
			t.Errorf("%T: read %+v, %v", c.r, back, err)
		}
		if _, err := ParseControl(c.r.ControlType(), append(want, 0)); !errors.Is(err, ErrMalformed) {
			t.Errorf("%T: accepted a byte left over", c.r)
		}
	}
	second := kmsg.NewLeaderChangeMessage()
	second.LeaderID = 5
	second.Voters = []kmsg.LeaderChangeMessageVoter{{VoterID: 5}, {VoterID: 6}}
	got, err := ParseControl(record.ControlLeaderChange, second.AppendTo(nil))
	if want := (&LeaderChange{Leader: 5, Voters: []record.NodeID{5, 6}}); err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("kmsg's LeaderChange reads as %+v, %v", got, err)
	}
	if _, err := ParseControl(record.ControlCommit, []byte{0, 0, 0}); !errors.Is(err, ErrUnknown) {
		t.Error("accepted a transaction marker")
	}
}

func TestParseRecordIsStrict(t *testing.T) {
	for _, c := range []struct {
		name, hex string
		want      error
	}{
		{"nothing", "", ErrMalformed},
		{"frame version 2", "02 14 00 00", ErrUnknown},
		{"type 6", "01 06 00 00", ErrUnknown},
		{"type 29", "01 1d 00 00", ErrUnknown},
		{"type 2^21", "01 80808001 00 00", ErrUnknown},
		{"version 1 of NoOp", "01 14 01 00", ErrUnknown},
		{"a byte left over", "01 14 00 00 00", ErrMalformed},
		{"no trailer", "01 14 00", ErrMalformed},
		{"unknown tag, skipped", "01 14 00 01 09 02 aabb", nil},
		{"unknown tag, cut short", "01 14 00 01 09 03 aabb", ErrMalformed},
		{"tags out of order", "01 14 00 02 09 00 08 00", ErrMalformed},
		{"tag twice", "01 11 00 00000001 0000000000000007 02 00 01 ff 00 01 01", ErrMalformed},
		{"tag of a later version", "01 11 00 00000001 0000000000000007 01 01 01 01", ErrMalformed},
		{"tag shorter than it says", "01 11 00 00000001 0000000000000007 01 00 02 ffff", ErrMalformed},
		{"tag longer than it says", "01 11 01 00000001 0000000000000007 02 00 00 ff 01 01 01", ErrMalformed},
		{"ELR in version 1", "01 05 01 00000000 U 01 06 05 02 00000001", ErrMalformed},
		{"ELR in version 2", "01 05 02 00000000 U 01 06 05 02 00000001", nil},
		{"string of null", "01 1c 00 00 00", ErrMalformed},
		{"string beyond the end", "01 1c 00 05 61 00", ErrMalformed},
		{"number of more than 32 bits", "01 ffffffffff01 00", ErrMalformed},
		{"array of 2^31 elements", "01 0a 00 01 01 ffffffff0f", ErrMalformed},
	} {
		if _, _, err := ParseRecord(unhex(t, c.hex)); !errors.Is(err, c.want) {
			t.Errorf("%s: %v, want %v", c.name, err, c.want)
		}
	}
}

func TestAppendRecordRefusesToLose(t *testing.T) {
	node := []record.NodeID{1}
	for _, c := range []struct {
		r       Record
		version int16
	}{
		{&RegisterBrokerRecord{LogDirs: []record.UUID{testU}}, 2},
		{&RegisterBrokerRecord{InControlledShutdown: true}, 0},
		{&PartitionRecord{Elr: node}, 1},
		{&PartitionRecord{LastKnownElr: []record.NodeID{}}, 1},
		{&PartitionRecord{Directories: []record.UUID{testU}}, 0},
		{&PartitionChangeRecord{Elr: node}, 1},
		{&PartitionChangeRecord{Directories: []record.UUID{}}, 0},
		{&BrokerRegistrationChangeRecord{InControlledShutdown: 1}, 0},
		{&BrokerRegistrationChangeRecord{LogDirs: []record.UUID{testU}}, 1},
		{&BrokerRegistrationChangeRecord{CordonedLogDirs: []record.UUID{}}, 2},
		{&RegisterBrokerRecord{CordonedLogDirs: []record.UUID{}}, 3},
		{&NoOpRecord{}, 1},
		{&NoOpRecord{}, -1},
	} {
		if _, err := AppendRecord(nil, c.r, c.version); !errors.Is(err, ErrUnsupported) {
			t.Errorf("%s version %d: %v", c.r.Type(), c.version, err)
		}
	}
	if _, err := AppendRecord(nil, &ClearElrRecord{TopicName: strings.Repeat("x", 1<<15)}, 0); err == nil {
		t.Error("wrote a string that Kafka cannot read")
	}
}

// fill sets every field of v to something drawn; nullable ones may stay nil, slices are never empty unless nullable.
func fill(t *rapid.T, v reflect.Value, nullable bool) {
	switch v.Kind() {
	case reflect.Struct:
		for i := range v.NumField() {
			fill(t, v.Field(i), nullable)
		}
	case reflect.Pointer:
		if rapid.Bool().Draw(t, "null") {
			v.SetZero()
			return
		}
		v.Set(reflect.New(v.Type().Elem()))
		fill(t, v.Elem(), nullable)
	case reflect.Slice:
		n := rapid.IntRange(0, 3).Draw(t, "len")
		if n == 0 && (!nullable || rapid.Bool().Draw(t, "null")) {
			v.SetZero()
			return
		}
		v.Set(reflect.MakeSlice(v.Type(), n, n))
		for i := range n {
			fill(t, v.Index(i), nullable)
		}
	case reflect.Array:
		for i := range v.Len() {
			v.Index(i).SetUint(uint64(rapid.Byte().Draw(t, "b")))
		}
	case reflect.String:
		v.SetString(rapid.String().Draw(t, "s"))
	case reflect.Bool:
		v.SetBool(rapid.Bool().Draw(t, "bool"))
	case reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		v.SetInt(rapid.SampledFrom([]int64{0, -1, -2, 1, 5, 127, -128}).Draw(t, "int"))
	default:
		v.SetUint(uint64(rapid.Uint16().Draw(t, "uint")))
	}
}

// tidyPlainDirs makes an empty list of directories nil where the schema has no null.
func tidyPlainDirs(r Record) {
	switch r := r.(type) {
	case *RegisterBrokerRecord:
		r.LogDirs = tidy(r.LogDirs)
	case *BrokerRegistrationChangeRecord:
		r.LogDirs = tidy(r.LogDirs)
	}
}

// Every record in its highest version: what is written reads back equal, and no prefix of it reads at all.
func TestRecordRoundTrip(t *testing.T) {
	for kind, k := range kinds {
		if k.make == nil {
			continue
		}
		t.Run(k.name, rapid.MakeCheck(func(t *rapid.T) {
			r := k.make()
			if int(r.Type()) != kind {
				t.Fatalf("makes a record of type %d", r.Type())
			}
			fill(t, reflect.ValueOf(r).Elem(), kind == int(TypePartitionChange))
			tidyPlainDirs(r)
			value, err := AppendRecord([]byte("before"), r, k.max)
			if err != nil {
				t.Fatal(err)
			}
			value = value[len("before"):]
			back, _, err := ParseRecord(value)
			if err != nil || !reflect.DeepEqual(back, r) {
				t.Fatalf("%x: wrote %+v, read %+v, %v", value, r, back, err)
			}
			if cut := rapid.IntRange(0, len(value)-1).Draw(t, "cut"); true {
				if _, _, err := ParseRecord(value[:cut]); err == nil {
					t.Fatal("read a record cut short")
				}
			}
		}))
	}
}

// FuzzParseRecord: no panic, and what reads can be written and reads the same again.
func FuzzParseRecord(f *testing.F) {
	for _, k := range kinds {
		if k.make != nil {
			value, _ := AppendRecord(nil, k.make(), k.max)
			f.Add(value)
		}
	}
	f.Fuzz(func(t *testing.T, value []byte) {
		r, version, err := ParseRecord(value)
		if err != nil {
			return
		}
		again, err := AppendRecord(nil, r, version)
		if err != nil {
			t.Fatalf("%+v reads and does not write: %v", r, err)
		}
		second, _, err := ParseRecord(again)
		if err != nil || !reflect.DeepEqual(r, second) {
			t.Fatalf("%+v reads again as %+v, %v", r, second, err)
		}
	})
}

func TestQuorumState(t *testing.T) {
	v0 := QuorumState{Leader: 1, Epoch: 3, Voted: -1, Voters: []record.NodeID{1}}
	v1 := QuorumState{Version: 1, Leader: 1, Epoch: 3, Voted: -1}
	for text, q := range map[string]QuorumState{ // any order: each is a case of its own
		`{"clusterId":"","leaderId":1,"leaderEpoch":3,"votedId":-1,"appliedOffset":0,"currentVoters":[{"voterId":1}],"data_version":0}`: v0,
		`{"leaderId":1,"leaderEpoch":3,"votedId":-1,"votedDirectoryId":"AAAAAAAAAAAAAAAAAAAAAA","data_version":1}`:                      v1,
	} {
		if got := string(q.Append(nil)); got != text {
			t.Errorf("wrote %s, want %s", got, text)
		}
		back, err := ParseQuorumState([]byte(text))
		if err != nil || !reflect.DeepEqual(back, q) {
			t.Errorf("read %+v, %v", back, err)
		}
		for cut := range text {
			if _, err := ParseQuorumState([]byte(text[:cut])); !errors.Is(err, ErrQuorumState) {
				t.Errorf("read %s", text[:cut])
			}
		}
	}
	odd := " {\n\"data_version\" : 1 , \"later\": [1, {\"a\": null, \"b\": [true, \"x\\\"\"]}], \"votedId\":2,\"leaderId\":-1,\"leaderEpoch\":0} \n"
	got, err := ParseQuorumState([]byte(odd))
	if want := (QuorumState{Version: 1, Leader: -1, Voted: 2}); err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("read %+v, %v", got, err)
	}
	for _, bad := range []string{``, `{}`, `[]`, odd + "x", strings.Replace(odd, "2", "2.5", 1), strings.Replace(odd, ": 1 ", ": 2 ", 1),
		strings.Replace(odd, "votedId", "votedID", 1), strings.Replace(odd, "null", strings.Repeat("[", 100), 1)} {
		if _, err := ParseQuorumState([]byte(bad)); !errors.Is(err, ErrQuorumState) {
			t.Errorf("read %q: %v", bad, err)
		}
	}
}

func TestQuorumStateRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		q := QuorumState{Leader: record.NodeID(rapid.Int32().Draw(t, "l")), Epoch: record.Epoch(rapid.Int32().Draw(t, "e")),
			Voted: record.NodeID(rapid.Int32().Draw(t, "v"))}
		if rapid.Bool().Draw(t, "v1") {
			q.Version, q.VotedDirectory = 1, testU
		} else {
			q.ClusterID = rapid.StringMatching(`[ -~\t]*`).Draw(t, "cluster")
			if n := rapid.IntRange(-1, 3).Draw(t, "voters"); n >= 0 {
				q.Voters = make([]record.NodeID, n)
			}
		}
		back, err := ParseQuorumState(q.Append(nil))
		if err != nil || !reflect.DeepEqual(back, q) {
			t.Fatalf("%s: %+v, %v", q.Append(nil), back, err)
		}
	})
}

// FuzzReplay: whatever reads as records replays or is refused, without a panic, and what was accepted folds into itself.
func FuzzReplay(f *testing.F) {
	var seed []byte
	for _, r := range []Record{&TopicRecord{"t", testU}, &PartitionRecord{TopicID: testU}, NewPartitionChange(), &RegisterBrokerRecord{}} {
		value, _ := AppendRecord(nil, r, kinds[r.Type()].max)
		seed = append(append(seed, byte(len(value))), value...)
	}
	f.Add(seed)
	f.Fuzz(func(t *testing.T, data []byte) {
		img := Empty()
		for len(data) > 0 {
			n := min(int(data[0]), len(data)-1)
			r, _, err := ParseRecord(data[1 : 1+n])
			data = data[1+n:]
			if err != nil {
				continue
			}
			if next, err := img.Replay([]Record{r}, img.At()); err == nil {
				img = next
			}
		}
		again, err := Empty().Replay(slices.Collect(img.Records()), img.At())
		if err != nil || !reflect.DeepEqual(again, img) {
			t.Fatalf("%v:\n%s\nfolds into\n%s", err, dump(img), dump(again))
		}
	})
}
