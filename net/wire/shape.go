package wire

import (
	"odradek/core/api"
)

// kmsg allocates an array as soon as its length is below the number of bytes left, and takes a count of tagged fields as it is: a few bytes
// could cost hundreds of megabytes, or minutes. So every cold request is walked by the shape of its key first, without allocating anything; what
// the walk accepts has the elements it claims, and decoding it costs a small multiple of its size.

type fieldKind uint8

const (
	fieldFixed  fieldKind = iota // size bytes
	fieldString                  // a string
	fieldBytes                   // bytes or null
	fieldArray                   // structures of elem; tagged fields behind each
	fieldList                    // an array of the one plain field in elem: no tagged fields
	fieldMaybe                   // a structure of elem, or null: a byte says which
	fieldGroup                   // a structure of elem
)

// field is one field of a request: present in versions from to to, both included. A string or array may be null from version null on; Kafka closes the
// connection of a client that sends null elsewhere, where kmsg reads an empty one.
type field struct {
	kind     fieldKind
	size     int
	from, to int16
	null     int16
	elem     []field
}

const forever int16 = 1<<15 - 1

const never = forever

func fix(size int) field      { return field{kind: fieldFixed, size: size, to: forever} }
func text() field             { return field{kind: fieldString, to: forever, null: never} }
func arr(elem ...field) field { return field{kind: fieldArray, to: forever, null: never, elem: elem} }
func list(elem field) field {
	return field{kind: fieldList, to: forever, null: never, elem: []field{elem}}
}
func maybe(elem ...field) field     { return field{kind: fieldMaybe, to: forever, elem: elem} }
func group(elem ...field) field     { return field{kind: fieldGroup, to: forever, elem: elem} }
func (f field) since(v int16) field { f.from = v; return f }
func (f field) until(v int16) field { f.to = v; return f }
func (f field) orNull(v int16) field {
	f.null = v
	return f
}

// shapes holds a row for each key that is served anywhere and that kmsg decodes. A key without a row is not decoded.
var shapes = map[api.Key][]field{
	api.ListOffsets: {fix(4), fix(1).since(2), arr(text(), arr(fix(4), fix(4).since(4), fix(8))), fix(4).since(10)},
	api.Metadata: {arr(fix(16).since(10), text().orNull(10)).orNull(1), fix(1).since(4), fix(1).since(8).until(10),
		fix(1).since(8)},
	api.FindCoordinator:            {text().until(3), fix(1).since(1), list(text()).since(4)},
	api.ApiVersions:                {text().since(3), text().since(3)},
	api.CreateTopics:               {arr(text(), fix(4), fix(2), arr(fix(4), list(fix(4))), arr(text(), text().orNull(0))), fix(4), fix(1).since(1)},
	api.DeleteTopics:               {list(text()).until(5), arr(text().orNull(6), fix(16)).since(6), fix(4)},
	api.DeleteRecords:              {arr(text(), arr(fix(4), fix(8))), fix(4)},
	api.InitProducerID:             {text().orNull(0), fix(4), fix(8).since(3), fix(2).since(3)},
	api.OffsetForLeaderEpoch:       {fix(4).since(3), arr(text(), arr(fix(4), fix(4), fix(4)))},
	api.DescribeLogDirs:            {arr(text(), list(fix(4))).orNull(0)},
	api.DescribeProducers:          {arr(text(), list(fix(4)))},
	api.ListConfigResources:        {list(fix(1)).since(1)},
	api.DescribeTopicPartitions:    {arr(text()), fix(4), maybe(text(), fix(4))},
	api.DescribeConfigs:            {arr(fix(1), text(), list(text()).orNull(0)), fix(1), fix(1).since(3)},
	api.ElectLeaders:               {fix(1).since(1), arr(text(), list(fix(4))).orNull(0), fix(4)},
	api.ListPartitionReassignments: {fix(4), arr(text(), list(fix(4))).orNull(0)},
	api.AlterConfigs:               {arr(fix(1), text(), arr(text(), text().orNull(0))), fix(1)},
	api.CreatePartitions:           {arr(text(), fix(4), arr(list(fix(4))).orNull(0)), fix(4), fix(1)},
	api.IncrementalAlterConfigs:    {arr(fix(1), text(), arr(text(), fix(1), text().orNull(0))), fix(1)},
	api.DescribeCluster:            {fix(1), fix(1).since(1), fix(1).since(2)},

	// Of nodes among themselves.
	api.Vote: {text().orNull(0), fix(4).since(1), arr(text(), arr(fix(4), fix(4), fix(4), fix(16).since(1), fix(16).since(1), fix(4), fix(8), fix(1).since(2)))},
	api.BeginQuorumEpoch: {text().orNull(0), fix(4).since(1), arr(text(), arr(fix(4), fix(16).since(1), fix(4), fix(4))),
		arr(text(), text(), fix(2)).since(1)},
	api.EndQuorumEpoch: {text().orNull(0), arr(text(), arr(fix(4), fix(4), fix(4), list(fix(4)).until(0), arr(fix(4), fix(16)).since(1))),
		arr(text(), text(), fix(2)).since(1)},
	api.DescribeQuorum:         {arr(text(), arr(fix(4)))},
	api.AlterPartition:         {fix(4), fix(8), arr(fix(16), arr(fix(4), fix(4), list(fix(4)).until(2), arr(fix(4), fix(8)).since(3), fix(1), fix(4)))},
	api.FetchSnapshot:          {fix(4), fix(4), arr(text(), arr(fix(4), fix(4), group(fix(8), fix(4)), fix(8)))},
	api.BrokerRegistration:     {fix(4), text(), fix(16), endpoints(), featureRanges(), text().orNull(0), fix(1).since(1), list(fix(16)).since(2), fix(8).since(3)},
	api.BrokerHeartbeat:        {fix(4), fix(8), fix(8), fix(1), fix(1)},
	api.UnregisterBroker:       {fix(4)},
	api.AllocateProducerIDs:    {fix(4), fix(8)},
	api.ControllerRegistration: {fix(4), fix(16), fix(1), endpoints(), featureRanges()},
	api.AssignReplicasToDirs:   {fix(4), fix(8), arr(fix(16), arr(fix(16), arr(fix(4))))},
}

// What nodes register with.
func endpoints() field     { return arr(text(), text(), fix(2), fix(2)) }
func featureRanges() field { return arr(text(), fix(2), fix(2)) }

// walk checks that c holds the fields, with their tagged fields behind them.
func walk(c *cursor, fields []field, version int16) {
	for i := range fields {
		if f := &fields[i]; version >= f.from && version <= f.to {
			walkField(c, f, version)
		}
	}
	c.tags(nil)
}

func walkField(c *cursor, f *field, version int16) {
	switch f.kind {
	case fieldFixed:
		c.span(f.size)
	case fieldString:
		if c.str() == nil && version < f.null {
			c.fail("a string that must not be is null")
		}
	case fieldBytes:
		c.bytes()
	case fieldArray:
		for n := walkLength(c, f, version); n > 0 && c.err == nil; n-- {
			walk(c, f.elem, version)
		}
	case fieldGroup:
		walk(c, f.elem, version)
	case fieldMaybe:
		b := c.span(1)
		switch {
		case len(b) == 0:
		case int8(b[0]) >= 0:
			walk(c, f.elem, version)
		default:
			b[0] = 0xff // Java takes any number below 0 for null, kmsg only −1: what it reads must be what was walked
		}
	case fieldList:
		for n := walkLength(c, f, version); n > 0 && c.err == nil; n-- {
			walkField(c, &f.elem[0], version)
		}
	}
}

func walkLength(c *cursor, f *field, version int16) int {
	n := c.length()
	if n < 0 && version < f.null {
		c.fail("an array that must not be is null")
	}
	return n
}
