package wire

import (
	"bytes"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/twmb/franz-go/pkg/kmsg"

	"odradek/core/api"
	"odradek/internal/allocs"
)

// fuzzed is the fuzz target of each request decoder. What a fuzzer finds is kept in testdata/fuzz and runs with every go test.
var fuzzed = map[api.Key]func(*testing.F){
	api.Produce: FuzzProduce, api.Fetch: FuzzFetch, api.ListOffsets: FuzzListOffsets, api.Metadata: FuzzMetadata,
	api.FindCoordinator: FuzzFindCoordinator, api.ApiVersions: FuzzApiVersions, api.CreateTopics: FuzzCreateTopics, api.DeleteTopics: FuzzDeleteTopics,
	api.DeleteRecords: FuzzDeleteRecords, api.InitProducerID: FuzzInitProducerID, api.OffsetForLeaderEpoch: FuzzOffsetForLeaderEpoch,
	api.DescribeConfigs: FuzzDescribeConfigs, api.AlterConfigs: FuzzAlterConfigs, api.DescribeLogDirs: FuzzDescribeLogDirs,
	api.CreatePartitions: FuzzCreatePartitions, api.ElectLeaders: FuzzElectLeaders, api.IncrementalAlterConfigs: FuzzIncrementalAlterConfigs,
	api.ListPartitionReassignments: FuzzListPartitionReassignments, api.DescribeCluster: FuzzDescribeCluster,
	api.DescribeProducers: FuzzDescribeProducers, api.ListConfigResources: FuzzListConfigResources,
	api.DescribeTopicPartitions: FuzzDescribeTopicPartitions,
	api.Vote:                    FuzzVote, api.BeginQuorumEpoch: FuzzBeginQuorumEpoch, api.EndQuorumEpoch: FuzzEndQuorumEpoch, api.DescribeQuorum: FuzzDescribeQuorum,
	api.AlterPartition: FuzzAlterPartition, api.FetchSnapshot: FuzzFetchSnapshot, api.BrokerRegistration: FuzzBrokerRegistration,
	api.BrokerHeartbeat: FuzzBrokerHeartbeat, api.UnregisterBroker: FuzzUnregisterBroker, api.AllocateProducerIDs: FuzzAllocateProducerIDs,
	api.ControllerRegistration: FuzzControllerRegistration, api.AssignReplicasToDirs: FuzzAssignReplicasToDirs,
}

func FuzzVote(f *testing.F)                   { fuzzCold(f, api.Vote) }
func FuzzBeginQuorumEpoch(f *testing.F)       { fuzzCold(f, api.BeginQuorumEpoch) }
func FuzzEndQuorumEpoch(f *testing.F)         { fuzzCold(f, api.EndQuorumEpoch) }
func FuzzDescribeQuorum(f *testing.F)         { fuzzCold(f, api.DescribeQuorum) }
func FuzzAlterPartition(f *testing.F)         { fuzzCold(f, api.AlterPartition) }
func FuzzFetchSnapshot(f *testing.F)          { fuzzCold(f, api.FetchSnapshot) }
func FuzzBrokerRegistration(f *testing.F)     { fuzzCold(f, api.BrokerRegistration) }
func FuzzBrokerHeartbeat(f *testing.F)        { fuzzCold(f, api.BrokerHeartbeat) }
func FuzzUnregisterBroker(f *testing.F)       { fuzzCold(f, api.UnregisterBroker) }
func FuzzAllocateProducerIDs(f *testing.F)    { fuzzCold(f, api.AllocateProducerIDs) }
func FuzzControllerRegistration(f *testing.F) { fuzzCold(f, api.ControllerRegistration) }
func FuzzAssignReplicasToDirs(f *testing.F)   { fuzzCold(f, api.AssignReplicasToDirs) }

func FuzzListOffsets(f *testing.F)                { fuzzCold(f, api.ListOffsets) }
func FuzzMetadata(f *testing.F)                   { fuzzCold(f, api.Metadata) }
func FuzzFindCoordinator(f *testing.F)            { fuzzCold(f, api.FindCoordinator) }
func FuzzApiVersions(f *testing.F)                { fuzzCold(f, api.ApiVersions) }
func FuzzCreateTopics(f *testing.F)               { fuzzCold(f, api.CreateTopics) }
func FuzzDeleteTopics(f *testing.F)               { fuzzCold(f, api.DeleteTopics) }
func FuzzDeleteRecords(f *testing.F)              { fuzzCold(f, api.DeleteRecords) }
func FuzzInitProducerID(f *testing.F)             { fuzzCold(f, api.InitProducerID) }
func FuzzOffsetForLeaderEpoch(f *testing.F)       { fuzzCold(f, api.OffsetForLeaderEpoch) }
func FuzzDescribeConfigs(f *testing.F)            { fuzzCold(f, api.DescribeConfigs) }
func FuzzAlterConfigs(f *testing.F)               { fuzzCold(f, api.AlterConfigs) }
func FuzzDescribeLogDirs(f *testing.F)            { fuzzCold(f, api.DescribeLogDirs) }
func FuzzCreatePartitions(f *testing.F)           { fuzzCold(f, api.CreatePartitions) }
func FuzzElectLeaders(f *testing.F)               { fuzzCold(f, api.ElectLeaders) }
func FuzzIncrementalAlterConfigs(f *testing.F)    { fuzzCold(f, api.IncrementalAlterConfigs) }
func FuzzListPartitionReassignments(f *testing.F) { fuzzCold(f, api.ListPartitionReassignments) }
func FuzzDescribeCluster(f *testing.F)            { fuzzCold(f, api.DescribeCluster) }
func FuzzDescribeProducers(f *testing.F)          { fuzzCold(f, api.DescribeProducers) }
func FuzzListConfigResources(f *testing.F)        { fuzzCold(f, api.ListConfigResources) }
func FuzzDescribeTopicPartitions(f *testing.F)    { fuzzCold(f, api.DescribeTopicPartitions) }

// Each key served has a target.
func TestEachDecoderIsFuzzed(t *testing.T) {
	for _, row := range slices.Concat(api.Served, api.ByController) {
		if fuzzed[row.Key] == nil {
			t.Errorf("%v has no fuzz target", row.Key)
		}
	}
}

// rowOf returns the row of a key, and whether only the controller's listeners have it.
func rowOf(key api.Key) (row api.Range, control bool) {
	if row, ok := api.Lookup(key); ok {
		return row, false
	}
	row, control = api.Find(api.ByController, key)
	return row, control
}

// versionOf folds a number into the versions served.
func versionOf(key api.Key, n uint8) int16 {
	row, _ := rowOf(key)
	least := max(row.Min, row.Refused)
	return least + int16(n)%(row.Max-least+1)
}

// rawBody is the frame of a request with this body and an honest header.
func rawBody(key api.Key, version int16, body []byte) Frame {
	data := appendI32(appendI16(appendI16(nil, int16(key)), version), 1)
	data = appendString(data, "fuzz", false)
	data = appendNoTags(data, flexible(key, version))
	return Frame{Key: key, Version: version, Correlation: 1, Data: append(data, body...)}
}

// What a decoder may allocate: fixed, and for each byte it was given. An element of a few bytes becomes a structure of a hundred.
const (
	costFixed   = 16 << 10
	costPerByte = 64
)

// decodeBounded decodes a frame on a new connection and holds the decoder to its bound.
func decodeBounded(t *testing.T, env *Env, f Frame) (c *Conn, v Verdict, err error) {
	cost := allocs.Over(costFixed+costPerByte*uint64(len(f.Data)), func() {
		_, control := rowOf(f.Key)
		c = NewConn(Info{Peer: "fuzz", Control: control})
		v, err = c.Frame(env, f)
	})
	if cost > 0 {
		t.Fatalf("%v v%d: %d bytes allocated for %d, %v", f.Key, f.Version, cost, len(f.Data), err)
	}
	return c, v, err
}

// fuzzCold: kmsg decodes these, behind our walk. No panic, bounded memory, and what is taken encodes to something that is taken again as the same.
func fuzzCold(f *testing.F, key api.Key) {
	row, _ := rowOf(key)
	for version := row.Min; version <= row.Max; version++ {
		for _, req := range coldRequests() {
			if api.Key(req.Key()) == key {
				req.SetVersion(version)
				f.Add(uint8(version-row.Min), req.AppendTo(nil))
			}
		}
		empty := kmsg.RequestForKey(int16(key))
		empty.SetVersion(version)
		f.Add(uint8(version-row.Min), empty.AppendTo(nil))
	}
	f.Fuzz(func(t *testing.T, n uint8, body []byte) {
		version := versionOf(key, n)
		c, v, err := decodeBounded(t, &Env{}, rawBody(key, version, body))
		if err != nil {
			if !strings.Contains(err.Error(), "fuzz") || !strings.Contains(err.Error(), key.String()) {
				t.Fatalf("the error names neither peer nor key: %v", err)
			}
			return
		}
		if key == api.ApiVersions {
			if out, ok := c.Next(); !ok || len(gather(out)) < 12 {
				t.Fatal("ApiVersions is not answered at once")
			}
			return
		}
		again := v.Request.Body.AppendTo(nil)
		second, err := decodeBody(key, version, again)
		if err != nil || !bytes.Equal(second.AppendTo(nil), again) {
			t.Fatalf("v%d: %x is taken, its encoding %x is not: %v", version, body, again, err)
		}
	})
}

// The shapes of the two requests that we decode by hand. Here only: the walk keeps kmsg from counts it would take for minutes.
var hotShapes = map[api.Key][]field{
	api.Produce: {text().since(3).orNull(3), fix(2), fix(4), arr(text(), arr(fix(4), field{kind: fieldBytes, to: forever}))},
	api.Fetch: {fix(4).until(14), fix(4 + 4 + 4 + 1), fix(4 + 4).since(7),
		arr(text().until(12), fix(16).since(13), arr(fix(4), fix(4).since(9), fix(8), fix(4).since(12), fix(8).since(5), fix(4))),
		arr(text().until(12), fix(16).since(13), list(fix(4))).since(7), text().since(11)},
}

// refusals are what we refuse and kmsg takes: our caps, and a malformed tagged field that kmsg does not know.
var refusals = []string{"allowed are", "ReplicaState"}

// judgeVerdict decodes with kmsg what the shape says can be decoded, and demands the same verdict. It returns false where we refuse.
func judgeVerdict(t *testing.T, f Frame, ours error, k kmsg.Request) bool {
	c := cursor{b: f.Data}
	k.SetVersion(f.Version)
	readHeader(&c, k.IsFlexible())
	body := c.b
	if walk(&c, hotShapes[f.Key], f.Version); c.err != nil {
		if ours == nil {
			t.Fatalf("%v v%d: taken, though its shape is wrong: %v", f.Key, f.Version, c.err)
		}
		return false
	}
	theirs := k.ReadFrom(body)
	known := func(words string) bool { return strings.Contains(ours.Error(), words) }
	switch {
	case ours == nil && theirs != nil:
		if f.Key == api.Produce || f.Version < fetchFlexible { // in later ones kmsg also reads tagged fields of replicas, which we pass over
			t.Fatalf("kmsg refuses what we take: %v", theirs)
		}
		return false
	case ours != nil && theirs == nil && !slices.ContainsFunc(refusals, known):
		t.Fatalf("%v v%d: we refuse what kmsg takes: %v", f.Key, f.Version, ours)
	}
	return ours == nil
}

func FuzzProduce(f *testing.F) {
	r := rand.New(rand.NewPCG(6, 6))
	for version := int16(3); version < 12; version++ {
		for range 3 {
			f.Add(uint8(version-3), randProduce(r, version).AppendTo(nil))
		}
	}
	f.Fuzz(func(t *testing.T, n uint8, body []byte) {
		fr := rawBody(api.Produce, versionOf(api.Produce, n), body)
		fr.ID = 1
		c, v, err := decodeBounded(t, &Env{Prepare: plainPrepare}, fr)
		var k kmsg.ProduceRequest
		if !judgeVerdict(t, fr, err, &k) {
			return
		}
		checkFuzzProduce(t, &k, v)
		if _, ok := c.Next(); ok && fr.Version >= 3 {
			t.Fatal("answered before the core has")
		}
	})
}

// checkFuzzProduce: what we take kmsg takes, with the same records in the same places.
func checkFuzzProduce(t *testing.T, k *kmsg.ProduceRequest, v Verdict) {
	got := v.Request.Produce
	tx := ""
	if k.TransactionID != nil {
		tx = *k.TransactionID
	}
	if got.Acks != k.Acks || got.TimeoutMs != k.TimeoutMillis || got.TransactionalID != tx {
		t.Fatalf("got  %+v\nkmsg %+v", got, k)
	}
	var i int
	for _, topic := range k.Topics {
		for _, p := range topic.Partitions {
			if i >= len(got.Partitions) {
				t.Fatal("kmsg sees more partitions")
			}
			our := got.Partitions[i]
			i++
			if our.Topic != topic.Topic || our.Partition != p.Partition || k.Version >= 3 && !bytes.Equal(our.Batch.Data, p.Records) {
				t.Fatalf("partition %d: %+v, kmsg %+v", i, our, p)
			}
		}
	}
	if i != len(got.Partitions) {
		t.Fatal("kmsg sees fewer partitions")
	}
}

func FuzzFetch(f *testing.F) {
	r := rand.New(rand.NewPCG(7, 7))
	row, _ := api.Lookup(api.Fetch)
	for version := row.Min; version <= row.Max; version++ {
		for range 3 {
			f.Add(uint8(version-row.Min), randFetch(r, version).AppendTo(nil))
		}
	}
	f.Fuzz(func(t *testing.T, n uint8, body []byte) {
		fr := rawBody(api.Fetch, versionOf(api.Fetch, n), body)
		_, v, err := decodeBounded(t, &Env{}, fr)
		var k kmsg.FetchRequest
		if !judgeVerdict(t, fr, err, &k) {
			return
		}
		got, want := v.Request.Fetch, wantFetch(&k)
		if fr.Version >= 15 {
			want.ReplicaID, want.ReplicaEpoch = got.ReplicaID, got.ReplicaEpoch // in a tagged field: the last of several counts for us, the first for kmsg
		}
		same := got.SessionID == want.SessionID && got.SessionEpoch == want.SessionEpoch && got.MaxWaitMs == want.MaxWaitMs && got.MinBytes == want.MinBytes &&
			got.MaxBytes == want.MaxBytes && got.Isolation == want.Isolation && got.ReplicaID == want.ReplicaID && got.ReplicaEpoch == want.ReplicaEpoch && got.Rack == want.Rack
		if !same || !slices.Equal(got.Partitions, want.Partitions) || !slices.Equal(got.Forgotten, want.Forgotten) {
			t.Fatalf("got  %+v\nkmsg %+v", got, want)
		}
	})
}

// FuzzHeader: any key, any version, any header: an error that says what and who, or a request.
func FuzzHeader(f *testing.F) {
	for _, req := range coldRequests() {
		row, _ := rowOf(api.Key(req.Key()))
		for _, version := range []int16{row.Min, row.Max, row.Max + 1} {
			req.SetVersion(version)
			f.Add(frameOf(1, req).Data)
		}
	}
	f.Add(appendI32(appendI16(appendI16(nil, 18), 99), 1))
	f.Fuzz(func(t *testing.T, data []byte) {
		if len(data) < frameMin {
			return
		}
		h := cursor{b: data}
		fr := Frame{Key: api.Key(h.i16()), Version: h.i16(), Correlation: h.i32(), Data: data, ID: 1}
		c, v, err := decodeBounded(t, &Env{Prepare: plainPrepare}, fr)
		row, control := rowOf(fr.Key)
		_, served := api.Find(api.Table(control), fr.Key)
		switch {
		case err != nil:
			if fr.Key == api.ApiVersions && (fr.Version < row.Min || fr.Version > row.Max) {
				t.Fatalf("ApiVersions of an unknown version must be answered: %v", err)
			}
		case !served:
			t.Fatal("a key that is not served is taken")
		case !v.Submit:
			if out, ok := c.Next(); !ok && !v.slot.silent || ok && !out.Close && len(gather(out)) < 8 {
				t.Fatal("neither the core's nor answered")
			}
		}
	})
}
