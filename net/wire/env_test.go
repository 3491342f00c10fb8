package wire

import (
	"testing"

	"odradek/core/config"
	"odradek/core/errcode"
	"odradek/core/image"
	"odradek/core/query"
	"odradek/core/record"
)

// The version of Produce bounds what the client may send, not what the topic makes of it: a topic of compression.type=zstd takes plain batches of old clients.
func TestZstdVersionIsTheClients(t *testing.T) {
	replayer := image.NewReplayer(image.Empty())
	if err := replayer.Apply(&image.TopicRecord{Name: "t", ID: record.UUID{1}}, image.At{}); err != nil {
		t.Fatal(err)
	}
	img, err := replayer.Image()
	if err != nil {
		t.Fatal(err)
	}
	cfg, err := config.ParseNode(nil)
	if err != nil {
		t.Fatal(err)
	}
	toZstd := func(_ *record.Policy, data []byte, _ record.FrameID) (record.Batch, *record.Refusal) {
		b, err := record.ParseHeader(data)
		if err != nil {
			t.Fatal(err)
		}
		b.Attributes = record.Attributes(record.CodecZstd)
		return b, nil
	}
	env := NewEnv(&query.View{Image: img, Config: cfg}, toZstd, nil)
	for _, c := range []struct {
		sent    record.CodecID
		version int16
		want    errcode.Code
	}{{record.CodecNone, 3, errcode.None}, {record.CodecZstd, 6, errcode.UnsupportedCompressionType}, {record.CodecZstd, 7, errcode.None}} {
		var b record.Builder
		b.Reset(record.PlainSpec(0))
		b.Append(1, nil, []byte("v"), nil)
		batch, err := b.Build(nil)
		if err != nil {
			t.Fatal(err)
		}
		batch.Data[22] = byte(c.sent) // the attributes' low byte
		if p := env.Prepare(new(Policies), "t", record.UUID{}, 0, batch.Data, record.NoFrame, c.version); p.Err != c.want {
			t.Errorf("%v in Produce v%d: %v, want %v", c.sent, c.version, p.Err, c.want)
		}
	}
}

// A connection reads a topic's configs once, and again when metadata has changed.
func TestPoliciesFollowTheImage(t *testing.T) {
	cfg, err := config.ParseNode(nil)
	if err != nil {
		t.Fatal(err)
	}
	replayer := image.NewReplayer(image.Empty())
	view := func(at record.Offset, records ...image.Record) *query.View {
		t.Helper()
		for _, r := range records {
			if err := replayer.Apply(r, image.At{Offset: at}); err != nil {
				t.Fatal(err)
			}
		}
		img, err := replayer.Image()
		if err != nil {
			t.Fatal(err)
		}
		return &query.View{Image: img, Config: cfg}
	}
	var known Policies
	bound := func(value string) *image.ConfigRecord {
		return &image.ConfigRecord{ResourceType: image.ResourceTopic, ResourceName: "t", Name: "max.message.bytes", Value: &value}
	}
	first := view(10, &image.TopicRecord{Name: "t", ID: record.UUID{1}}, bound("1000"))
	p := known.of(first, "t")
	if p.MaxMessageBytes != 1000 {
		t.Errorf("a policy of %+v", p)
	}
	if allocs := testing.AllocsPerRun(100, func() { known.of(first, "t") }); allocs > 0 {
		t.Errorf("what is remembered costs %v allocations", allocs)
	}
	if p := known.of(view(11, bound("2000")), "t"); p.MaxMessageBytes != 2000 {
		t.Errorf("the change of a config does not act: %+v", p)
	}
}
