package image

import (
	"errors"
	"fmt"
	"reflect"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"odradek/core/record"
)

func uid(n int) record.UUID { return record.UUID{15: byte(n), 14: byte(n >> 8), 0: 9} }

// world draws records about few things, so that most fit and many do not. topics is what exists, for better aim.
type world struct{ img *Image }

func genNodes(t *rapid.T, label string, nullable bool) []record.NodeID {
	n := rapid.IntRange(0, 3).Draw(t, label)
	if n == 0 && nullable && rapid.IntRange(0, 3).Draw(t, label+" null") > 0 {
		return nil
	}
	nodes := make([]record.NodeID, n)
	for i := range nodes {
		nodes[i] = record.NodeID(i + 1)
	}
	return nodes
}

func genDirs(t *rapid.T, n int) []record.UUID {
	kind := rapid.IntRange(0, 3).Draw(t, "dirs")
	if kind == 0 {
		return nil
	}
	dirs := make([]record.UUID, n)
	for i := range dirs {
		if kind > 1 {
			dirs[i] = uid(100 + i)
		}
	}
	return dirs
}

func (w world) topicID(t *rapid.T) record.UUID {
	var ids []record.UUID
	for topic := range w.img.Topics() {
		ids = append(ids, topic.ID)
	}
	if len(ids) == 0 || rapid.IntRange(0, 15).Draw(t, "stray") == 0 {
		return uid(rapid.IntRange(0, 5).Draw(t, "id"))
	}
	return rapid.SampledFrom(ids).Draw(t, "topic id")
}

func (w world) draw(t *rapid.T) []Record {
	name := rapid.SampledFrom([]string{"a", "b", "c", "dd"})
	switch rapid.IntRange(0, 13).Draw(t, "what") {
	case 0, 1:
		return w.drawTopic(t, name)
	case 2, 3, 4:
		return []Record{w.drawChange(t)}
	case 5:
		return []Record{&RemoveTopicRecord{w.topicID(t)}}
	case 6:
		return []Record{w.drawPartition(t, w.topicID(t), int32(rapid.IntRange(0, 4).Draw(t, "p")))}
	case 7:
		r := &ClearElrRecord{}
		if rapid.Bool().Draw(t, "one") {
			r.TopicName = name.Draw(t, "name")
		}
		return []Record{r}
	case 8, 9:
		return []Record{w.drawBroker(t)}
	case 10:
		r := &ConfigRecord{ResourceType: rapid.SampledFrom([]ResourceType{2, 2, 4}).Draw(t, "rt"), ResourceName: name.Draw(t, "rn"),
			Name: name.Draw(t, "n")}
		if rapid.IntRange(0, 3).Draw(t, "set") > 0 {
			r.Value = text(rapid.StringN(0, 3, 9).Draw(t, "v"))
		}
		return []Record{r}
	default:
		return []Record{w.drawAccess(t)}
	}
}

func (w world) drawTopic(t *rapid.T, name *rapid.Generator[string]) []Record {
	id := uid(rapid.IntRange(0, 5).Draw(t, "id"))
	records := []Record{&TopicRecord{name.Draw(t, "name"), id}}
	for i := range rapid.IntRange(0, 3).Draw(t, "partitions") {
		records = append(records, w.drawPartition(t, id, int32(i)))
	}
	if rapid.Bool().Draw(t, "backwards") { // partitions may come in any order
		slices.Reverse(records[1:])
	}
	return records
}

func (w world) drawPartition(t *rapid.T, id record.UUID, i int32) Record {
	r := &PartitionRecord{PartitionID: i, TopicID: id, Replicas: genNodes(t, "replicas", false), Isr: genNodes(t, "isr", false),
		RemovingReplicas: genNodes(t, "removing", false), AddingReplicas: genNodes(t, "adding", false), Leader: 1,
		Elr: genNodes(t, "elr", true), LastKnownElr: genNodes(t, "last", true)}
	r.Directories = genDirs(t, len(r.Replicas))
	return r
}

func (w world) drawChange(t *rapid.T) Record {
	r := NewPartitionChange()
	r.TopicID, r.PartitionID = w.topicID(t), int32(rapid.IntRange(-1, 3).Draw(t, "p"))
	r.Isr, r.Replicas = genNodes(t, "isr", true), genNodes(t, "replicas", true)
	r.RemovingReplicas, r.AddingReplicas = genNodes(t, "removing", true), genNodes(t, "adding", true)
	r.Elr, r.LastKnownElr = genNodes(t, "elr", true), genNodes(t, "last", true)
	r.Leader = record.NodeID(rapid.IntRange(-2, 2).Draw(t, "leader"))
	r.RecoveryState = int8(rapid.IntRange(-1, 1).Draw(t, "recovery"))
	r.Directories = genDirs(t, rapid.SampledFrom([]int{len(r.Replicas), len(r.Replicas), 2}).Draw(t, "dirs"))
	return r
}

func (w world) drawBroker(t *rapid.T) Record {
	id, epoch := record.NodeID(rapid.IntRange(1, 3).Draw(t, "broker")), int64(rapid.IntRange(0, 1).Draw(t, "epoch"))
	switch rapid.IntRange(0, 6).Draw(t, "broker record") {
	case 0:
		return &UnregisterBrokerRecord{id, epoch}
	case 1:
		return &FenceBrokerRecord{id, epoch}
	case 2:
		return &UnfenceBrokerRecord{id, epoch}
	case 3, 4:
		return &BrokerRegistrationChangeRecord{BrokerID: id, BrokerEpoch: epoch, Fenced: int8(rapid.IntRange(-1, 1).Draw(t, "f")),
			InControlledShutdown: int8(rapid.IntRange(0, 1).Draw(t, "s")), LogDirs: genDirs(t, 1), CordonedLogDirs: genDirs(t, 2)}
	case 5:
		return &RegisterControllerRecord{ControllerID: id, IncarnationID: uid(7)}
	}
	return &RegisterBrokerRecord{BrokerID: id, BrokerEpoch: epoch, Fenced: true, Rack: text("r"), LogDirs: genDirs(t, 2), CordonedLogDirs: genDirs(t, 1),
		EndPoints: []Endpoint{{"P", "h", 9, 0}}, Features: []FeatureRange{{"f", 0, 1}}}
}

func (w world) drawAccess(t *rapid.T) Record {
	n := rapid.IntRange(0, 2).Draw(t, "n")
	user := fmt.Sprint("u", n)
	switch rapid.IntRange(0, 10).Draw(t, "access") {
	case 0:
		return &FeatureLevelRecord{rapid.SampledFrom([]string{"x", "y", "kraft.version"}).Draw(t, "f"), int16(n)}
	case 1:
		return &FeatureLevelRecord{MetadataVersion, int16(n * 14)}
	case 2:
		return &ProducerIDsRecord{NextProducerID: record.ProducerID(n+rapid.IntRange(0, 9).Draw(t, "block")) * 1000}
	case 3, 4:
		r := &ClientQuotaRecord{Key: user, ValueBits: uint64(n), Remove: rapid.Bool().Draw(t, "remove")}
		r.Entity = []QuotaEntity{{"user", text("u")}, {"client-id", nil}}[:rapid.IntRange(1, 2).Draw(t, "parts")]
		if rapid.Bool().Draw(t, "swap") {
			r.Entity = slices.Clone(r.Entity)
			slices.Reverse(r.Entity)
		}
		return r
	case 5:
		return &AccessControlEntryRecord{ID: uid(n), Principal: user}
	case 6:
		return &RemoveAccessControlEntryRecord{uid(n)}
	case 7:
		return &UserScramCredentialRecord{Name: user, Mechanism: 1, Iterations: int32(n), Salt: []byte{1}}
	case 8:
		return &RemoveUserScramCredentialRecord{user, 1}
	case 9:
		return &DelegationTokenRecord{TokenID: user, Owner: rapid.StringN(0, 2, 8).Draw(t, "owner")}
	}
	return &RemoveDelegationTokenRecord{user}
}

// Random batches: the image accepts and holds what the naive implementation does, older images do not change, and an image's own
// records fold into an equal one, also by way of their bytes.
func TestImageMatchesNaive(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		img, second := Empty(), newNaive()
		for step := range rapid.IntRange(1, 40).Draw(t, "batches") {
			batch := world{img}.draw(t)
			if rapid.IntRange(0, 3).Draw(t, "two") == 0 {
				batch = append(batch, world{img}.draw(t)...)
			}
			before := dump(img)
			next, err := img.Replay(batch, At{Offset: record.Offset(step)})
			naiveNext := second.clone()
			if naiveErr := naiveNext.replay(batch); (err == nil) != (naiveErr == nil) {
				t.Fatalf("%+v after\n%s\nimage: %v; naive: %v", batch, before, err, naiveErr)
			}
			if after := dump(img); after != before {
				t.Fatalf("replaying changed an older image:\n%s\nbecame\n%s", before, after)
			}
			if err != nil {
				if !errors.Is(err, ErrInconsistent) {
					t.Fatal(err)
				}
				continue
			}
			img, second = next, naiveNext
			if got, want := dump(img), second.dump(); got != want {
				t.Fatalf("image\n%s\nnaive\n%s", got, want)
			}
			checkLookups(t, img)
		}
		checkFold(t, img)
	})
}

func checkLookups(t *rapid.T, img *Image) {
	n := 0
	for topic := range img.Topics() {
		a, _ := img.Topic(topic.Name)
		b, _ := img.TopicByID(topic.ID)
		if a != topic || b != topic {
			t.Fatalf("topic %q is not found by name or id", topic.Name)
		}
		n++
	}
	if n != img.TopicCount() || n != img.topicIDs.n {
		t.Fatal("topics are counted wrongly")
	}
}

func checkFold(t *rapid.T, img *Image) {
	var decoded []Record
	for r := range img.Records() {
		value, err := AppendRecord(nil, r, VersionFor(r, MetadataVersionLatest))
		if err != nil {
			t.Fatal(err)
		}
		back, _, err := ParseRecord(value)
		if err != nil {
			t.Fatal(err)
		}
		decoded = append(decoded, back)
	}
	for _, records := range [][]Record{slices.Collect(img.Records()), decoded} {
		again, err := Empty().Replay(records, img.At())
		if err != nil {
			t.Fatal(err)
		}
		if !reflect.DeepEqual(again, img) {
			t.Fatalf("records of\n%s\nfold into\n%s", dump(img), dump(again))
		}
	}
}

func TestRecordsInKafkasOrder(t *testing.T) {
	img, err := Empty().Replay([]Record{
		&FeatureLevelRecord{"group.version", 1}, &UserScramCredentialRecord{Name: "u", Mechanism: 1}, &TopicRecord{"t", uid(1)},
		&PartitionRecord{TopicID: uid(1), PartitionID: 1}, &PartitionRecord{TopicID: uid(1)}, &ProducerIDsRecord{NextProducerID: 1000},
		&ConfigRecord{ResourceType: 2, ResourceName: "t", Name: "k", Value: text("v")}, &FeatureLevelRecord{MetadataVersion, 29},
		&RegisterControllerRecord{}, &RegisterBrokerRecord{}, &AccessControlEntryRecord{}, &DelegationTokenRecord{},
		&ClientQuotaRecord{Key: "k", Entity: []QuotaEntity{{"ip", nil}}},
	}, At{Offset: 5, Epoch: 2})
	if err != nil || img.Offset() != 5 || img.Epoch() != 2 || img.Feature(MetadataVersion) != 29 || img.NextProducerID() != 1000 {
		t.Fatal(err)
	}
	var got []Type
	for r := range img.Records() {
		got = append(got, r.Type())
	}
	if want := []Type{12, 12, 0, 27, 2, 3, 3, 4, 14, 15, 18, 11, 10}; !slices.Equal(got, want) {
		t.Errorf("order %v, want %v", got, want)
	}
	for r := range img.Records() {
		if f, ok := r.(*FeatureLevelRecord); !ok || f.Name != MetadataVersion {
			t.Error("metadata.version is not first")
		}
		break
	}
	if v, ok := img.ConfigValue(2, "t", "k"); v != "v" || !ok || len(img.Config(2, "u")) != 0 {
		t.Error("config lookup")
	}
}

func TestReplayerTransactions(t *testing.T) {
	p := NewReplayer(Empty())
	offset := record.Offset(0)
	apply := func(want error, records ...Record) {
		t.Helper()
		for i, r := range records {
			err := p.Apply(r, At{Offset: offset})
			if i == len(records)-1 && !errors.Is(err, want) || i < len(records)-1 && err != nil {
				t.Fatalf("%s: %v, want %v", r.Type(), err, want)
			}
			offset++
		}
	}
	see := func(at record.Offset, topics ...string) *Image {
		t.Helper()
		img, err := p.Image()
		var got []string
		for topic := range img.Topics() {
			got = append(got, topic.Name)
		}
		if err != nil || img.Offset() != at || !slices.Equal(got, topics) {
			t.Fatalf("image at %d with %v, %v; want %d with %v", img.Offset(), got, err, at, topics)
		}
		return img
	}
	see(-1)
	apply(nil, &TopicRecord{"a", uid(1)}, &BeginTransactionRecord{}, &TopicRecord{"b", uid(2)})
	first := see(0, "a")
	if !p.Open() || p.Applied().Offset != 2 || see(0, "a") != first {
		t.Error("the open transaction shows, or the image is made anew")
	}
	apply(nil, &RemoveTopicRecord{uid(1)}, &EndTransactionRecord{}, &TopicRecord{"c", uid(3)})
	see(5, "b", "c")
	apply(nil, &BeginTransactionRecord{}, &RemoveTopicRecord{uid(2)}, &TopicRecord{"d", uid(4)}, &AbortTransactionRecord{})
	see(9, "b", "c")
	p.Skip(At{Offset: 10})
	see(10, "b", "c")
	apply(ErrInconsistent, &EndTransactionRecord{})
	apply(ErrInconsistent, &AbortTransactionRecord{})
	apply(ErrInconsistent, &BeginTransactionRecord{}, &BeginTransactionRecord{})
	apply(ErrInconsistent, &RemoveTopicRecord{uid(9)})
}

func TestReplayRefusesGaps(t *testing.T) {
	_, err := Empty().Replay([]Record{&TopicRecord{"t", uid(1)}, &PartitionRecord{TopicID: uid(1), PartitionID: 1}}, At{})
	if !errors.Is(err, ErrInconsistent) {
		t.Error(err)
	}
	_, err = Empty().Replay([]Record{&TopicRecord{"t", uid(1)}, &PartitionRecord{TopicID: uid(1), PartitionID: 1 << 30}}, At{})
	if !errors.Is(err, ErrInconsistent) {
		t.Error(err)
	}
}

// BenchmarkPartitionChange: one change in a cluster of 20 000 topics, published as an image of its own.
func BenchmarkPartitionChange(b *testing.B) {
	d := Empty().Draft()
	for i := range 20000 {
		if d.Replay(&TopicRecord{fmt.Sprint("topic-", i), uid(i)}) != nil ||
			d.Replay(&PartitionRecord{TopicID: uid(i), Replicas: []record.NodeID{1}, Isr: []record.NodeID{1}}) != nil {
			b.Fatal("replay")
		}
	}
	img, _ := d.Freeze(At{})
	change := NewPartitionChange()
	change.Leader = 1
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		change.TopicID = uid(i % 20000)
		var err error
		if img, err = img.Replay([]Record{change}, At{}); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkTopicByID(b *testing.B) {
	d := Empty().Draft()
	for i := range 20000 {
		_ = d.Replay(&TopicRecord{fmt.Sprint("topic-", i), uid(i)})
	}
	img, _ := d.Freeze(At{})
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		if _, ok := img.TopicByID(uid(i % 20000)); !ok {
			b.Fatal("lost")
		}
	}
}

// What random batches hit too rarely.
func TestReplayInOneBatch(t *testing.T) {
	make := []Record{&TopicRecord{"t", uid(1)}, &PartitionRecord{TopicID: uid(1)}, &RemoveTopicRecord{uid(1)}}
	for _, late := range []Record{&PartitionRecord{TopicID: uid(1)}, &PartitionChangeRecord{TopicID: uid(1)}, &RemoveTopicRecord{uid(1)}} {
		if _, err := Empty().Replay(append(slices.Clone(make), late), At{}); !errors.Is(err, ErrInconsistent) {
			t.Errorf("%s after the topic was removed: %v", late.Type(), err)
		}
	}
	img, err := Empty().Replay(append(make, &TopicRecord{"t", uid(2)}), At{})
	if topic, ok := img.Topic("t"); err != nil || !ok || topic.ID != uid(2) || len(topic.Partitions) != 0 {
		t.Error("a topic removed and made anew in one batch")
	}
}

func TestQuotas(t *testing.T) {
	user, client := QuotaEntity{"user", text("u")}, QuotaEntity{"client-id", nil}
	a, _ := Empty().Replay([]Record{&ClientQuotaRecord{Entity: []QuotaEntity{user, client}, Key: "k", ValueBits: 1}}, At{})
	b, err := a.Replay([]Record{
		&ClientQuotaRecord{Entity: []QuotaEntity{client, user}, Key: "k", ValueBits: 2},
		&ClientQuotaRecord{Entity: []QuotaEntity{client, {"user", text("")}}, Key: "k", ValueBits: 3},
		&ClientQuotaRecord{Entity: []QuotaEntity{client, {"user", nil}}, Key: "k", ValueBits: 4},
	}, At{})
	if err != nil || len(slices.Collect(a.Quotas())) != 1 || slices.Collect(a.Quotas())[0].Values[0].ValueBits != 1 {
		t.Error("replaying changed an older image")
	}
	var bits []uint64
	for q := range b.Quotas() {
		bits = append(bits, q.Values[0].ValueBits)
	}
	slices.Sort(bits)
	if !slices.Equal(bits, []uint64{2, 3, 4}) {
		t.Errorf("the same entity in another order, or a default, an empty name: %v", bits)
	}
}
