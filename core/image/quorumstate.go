package image

import (
	"errors"
	"fmt"
	"strconv"
	"strings"

	"odradek/core/record"
)

// QuorumState is the content of the file quorum-state: the leader and the vote of an epoch (RECORDS §6). Version is that of its schema,
// which is the level of kraft.version.
type QuorumState struct {
	Version        int16
	Leader         record.NodeID // NoNode: unknown
	Epoch          record.Epoch
	Voted          record.NodeID   // NoNode: none in this epoch
	VotedDirectory record.UUID     // version 1
	ClusterID      string          // version 0; left empty by Kafka
	Voters         []record.NodeID // version 0; nil: null
}

// Append appends the file's text: one line of JSON without newline, keys in Kafka's order.
func (q *QuorumState) Append(dst []byte) []byte {
	var b strings.Builder
	b.WriteByte('{')
	if q.Version == 0 {
		b.WriteString(`"clusterId":` + quoteJSON(q.ClusterID) + `,`)
	}
	fmt.Fprintf(&b, `"leaderId":%d,"leaderEpoch":%d,"votedId":%d,`, q.Leader, q.Epoch, q.Voted)
	if q.Version == 0 {
		b.WriteString(`"appliedOffset":0,"currentVoters":`)
		if q.Voters == nil {
			b.WriteString("null")
		} else {
			b.WriteByte('[')
			for i, v := range q.Voters {
				if i > 0 {
					b.WriteByte(',')
				}
				fmt.Fprintf(&b, `{"voterId":%d}`, v)
			}
			b.WriteByte(']')
		}
	} else {
		b.WriteString(`"votedDirectoryId":"` + q.VotedDirectory.String() + `"`)
	}
	fmt.Fprintf(&b, `,"data_version":%d}`, q.Version)
	return append(dst, b.String()...)
}

// quoteJSON quotes s; a cluster id needs no escapes but those of quotes, backslashes and control characters.
func quoteJSON(s string) string {
	var b strings.Builder
	b.WriteByte('"')
	for i := 0; i < len(s); i++ {
		switch c := s[i]; {
		case c == '"' || c == '\\':
			b.WriteByte('\\')
			b.WriteByte(c)
		case c < 0x20:
			fmt.Fprintf(&b, `\u%04x`, c)
		default:
			b.WriteByte(c)
		}
	}
	b.WriteByte('"')
	return b.String()
}

// ErrQuorumState is what ParseQuorumState returns, wrapped, for a file it cannot read.
var ErrQuorumState = errors.New("quorum-state is unreadable")

// ParseQuorumState reads the text of a quorum-state file, version 0 or 1. Unknown keys are ignored; leaderId, leaderEpoch, votedId and
// data_version must be there.
func ParseQuorumState(text []byte) (QuorumState, error) {
	q := QuorumState{Leader: record.NoNode, Epoch: record.NoEpoch, Voted: record.NoNode}
	p := jsonReader{text: string(text)}
	seen := map[string]bool{}
	p.object(func(key string) { p.quorumField(&q, key); seen[key] = true })
	p.space()
	if p.err == nil && p.pos != len(p.text) {
		p.fail("text after the end")
	}
	for _, key := range []string{"leaderId", "leaderEpoch", "votedId", "data_version"} {
		if p.err == nil && !seen[key] {
			p.fail(key + " is missing")
		}
	}
	if p.err == nil && (q.Version < 0 || q.Version > 1) {
		p.fail("version " + strconv.Itoa(int(q.Version)))
	}
	if p.err != nil {
		return QuorumState{}, p.err
	}
	return q, nil
}

func (p *jsonReader) quorumField(q *QuorumState, key string) {
	switch key {
	case "leaderId":
		q.Leader = record.NodeID(p.number(32))
	case "leaderEpoch":
		q.Epoch = record.Epoch(p.number(32))
	case "votedId":
		q.Voted = record.NodeID(p.number(32))
	case "data_version":
		q.Version = int16(p.number(16))
	case "clusterId":
		q.ClusterID = p.string()
	case "votedDirectoryId":
		id, err := record.ParseUUID(p.string())
		if err != nil {
			p.fail(err.Error())
		}
		q.VotedDirectory = id
	case "currentVoters":
		if p.word("null") {
			return
		}
		q.Voters = []record.NodeID{}
		p.array(func() {
			p.object(func(key string) {
				if key == "voterId" {
					q.Voters = append(q.Voters, record.NodeID(p.number(32)))
				} else {
					p.skip(0)
				}
			})
		})
	default:
		p.skip(0)
	}
}

// jsonReader reads as much of JSON as a small file of our own or Kafka's needs. The first error sticks.
type jsonReader struct {
	text string
	pos  int
	err  error
}

func (p *jsonReader) fail(what string) {
	if p.err == nil {
		p.err = fmt.Errorf("%w: at byte %d: %s", ErrQuorumState, p.pos, what)
	}
}

func (p *jsonReader) space() {
	for p.pos < len(p.text) && strings.IndexByte(" \t\r\n", p.text[p.pos]) >= 0 {
		p.pos++
	}
}

// word reads w if it comes next.
func (p *jsonReader) word(w string) bool {
	p.space()
	if p.err != nil || !strings.HasPrefix(p.text[p.pos:], w) {
		return false
	}
	p.pos += len(w)
	return true
}

func (p *jsonReader) want(w string) {
	if !p.word(w) {
		p.fail("no " + w)
	}
}

// object calls field after each key; field reads the value.
func (p *jsonReader) object(field func(key string)) {
	p.want("{")
	for first := true; p.err == nil && !p.word("}"); first = false {
		if !first {
			p.want(",")
		}
		key := p.string()
		p.want(":")
		if p.err == nil {
			field(key)
		}
	}
}

func (p *jsonReader) array(element func()) {
	p.want("[")
	for first := true; p.err == nil && !p.word("]"); first = false {
		if !first {
			p.want(",")
		}
		if p.err == nil {
			element()
		}
	}
}

// string reads a string. \u escapes below 0x80 only: ids are ASCII.
func (p *jsonReader) string() string {
	p.want(`"`)
	var b strings.Builder
	for p.err == nil {
		if p.pos >= len(p.text) {
			p.fail("a string does not end")
			break
		}
		c := p.text[p.pos]
		p.pos++
		switch {
		case c == '"':
			return b.String()
		case c == '\\' && p.pos < len(p.text) && strings.IndexByte(`"\/`, p.text[p.pos]) >= 0:
			b.WriteByte(p.text[p.pos])
			p.pos++
		case c == '\\' && p.pos+5 <= len(p.text) && p.text[p.pos] == 'u':
			u, err := strconv.ParseUint(p.text[p.pos+1:p.pos+5], 16, 7)
			if err != nil {
				p.fail("an escape that is not ASCII")
			}
			b.WriteByte(byte(u))
			p.pos += 5
		case c == '\\' || c < 0x20:
			p.fail("a character that no string has")
		default:
			b.WriteByte(c)
		}
	}
	return ""
}

// number reads an integer that fits in bits.
func (p *jsonReader) number(bits int) int64 {
	p.space()
	end := p.pos
	for end < len(p.text) && strings.IndexByte("+-.0123456789eE", p.text[end]) >= 0 {
		end++
	}
	n, err := strconv.ParseInt(p.text[p.pos:end], 10, bits)
	if err != nil {
		p.fail("not a whole number of " + strconv.Itoa(bits) + " bits")
		return 0
	}
	p.pos = end
	return n
}

// maxDepth bounds how deeply the values of unknown keys may nest.
const maxDepth = 16

// skip reads past any value.
func (p *jsonReader) skip(depth int) {
	p.space()
	switch {
	case depth > maxDepth:
		p.fail("nested too deeply")
	case p.word("null"), p.word("true"), p.word("false"):
	case p.pos < len(p.text) && p.text[p.pos] == '"':
		p.string()
	case p.pos < len(p.text) && p.text[p.pos] == '{':
		p.object(func(string) { p.skip(depth + 1) })
	case p.pos < len(p.text) && p.text[p.pos] == '[':
		p.array(func() { p.skip(depth + 1) })
	default:
		p.number(64)
	}
}
