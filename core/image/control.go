package image

import (
	"fmt"

	"odradek/core/record"
)

// Control is the value of a control record of the metadata log: a pointer to one of the structs below (RECORDS §6). Every one is written
// and read as schema version 0, whatever its own version field says, as Kafka 4.2 does.
type Control interface {
	ControlType() record.ControlType
	code(c *coder)
}

// LeaderChange is the first record of a leader's epoch.
type LeaderChange struct {
	Leader   record.NodeID
	Voters   []record.NodeID
	Granting []record.NodeID // those who voted for the leader
}

// ControlType returns ControlLeaderChange.
func (*LeaderChange) ControlType() record.ControlType { return record.ControlLeaderChange }

func (l *LeaderChange) code(c *coder) {
	int32s(c, &l.Leader)
	array(c, &l.Voters, 5, codeVoterID)
	array(c, &l.Granting, 5, codeVoterID)
	c.end()
}

func codeVoterID(c *coder, id *record.NodeID) { int32s(c, id); c.end() }

// SnapshotHeader begins a snapshot.
type SnapshotHeader struct {
	LastContainedTimestamp record.UnixMillis // append time of the last batch that the snapshot covers
}

// ControlType returns ControlSnapshotHeader.
func (*SnapshotHeader) ControlType() record.ControlType { return record.ControlSnapshotHeader }

func (h *SnapshotHeader) code(c *coder) { int64s(c, &h.LastContainedTimestamp); c.end() }

// SnapshotFooter ends a snapshot.
type SnapshotFooter struct{}

// ControlType returns ControlSnapshotFooter.
func (*SnapshotFooter) ControlType() record.ControlType { return record.ControlSnapshotFooter }

func (*SnapshotFooter) code(c *coder) { c.end() }

// KRaftVersion sets the level of the feature kraft.version.
type KRaftVersion struct{ Level int16 }

// ControlType returns ControlKRaftVersion.
func (*KRaftVersion) ControlType() record.ControlType { return record.ControlKRaftVersion }

func (k *KRaftVersion) code(c *coder) { c.int16(&k.Level); c.end() }

// Voters is the whole voter set.
type Voters struct{ Voters []Voter }

// Voter is one voter of the metadata quorum.
type Voter struct {
	ID          record.NodeID
	DirectoryID record.UUID // directory.id of its metadata directory
	Endpoints   []VoterEndpoint
	Min, Max    int16 // levels of kraft.version that it can run
}

// VoterEndpoint is a controller listener.
type VoterEndpoint struct {
	Name string
	Host string
	Port uint16
}

// ControlType returns ControlVoters.
func (*Voters) ControlType() record.ControlType { return record.ControlVoters }

func (v *Voters) code(c *coder) {
	array(c, &v.Voters, 27, codeVoter)
	c.end()
}

func codeVoter(c *coder, v *Voter) {
	int32s(c, &v.ID)
	c.uuid(&v.DirectoryID)
	array(c, &v.Endpoints, 5, codeVoterEndpoint)
	c.int16(&v.Min)
	c.int16(&v.Max)
	c.end() // of the struct KRaftVersionFeature
	c.end()
}

func codeVoterEndpoint(c *coder, e *VoterEndpoint) {
	c.string(&e.Name)
	c.string(&e.Host)
	c.uint16(&e.Port)
	c.end()
}

// AppendControl appends the value of a control record; its key is record.AppendControlKey.
func AppendControl(dst []byte, r Control) ([]byte, error) {
	c := coder{writing: true, buf: append(dst, 0, 0)}
	r.code(&c)
	if c.err != nil {
		return dst, c.err
	}
	return c.buf, nil
}

// ParseControl reads the value of a control record of the given type. Errors: ErrUnknown for a type that the metadata log does not
// have, ErrMalformed.
func ParseControl(t record.ControlType, value []byte) (Control, error) {
	var r Control
	switch t {
	case record.ControlLeaderChange:
		r = &LeaderChange{}
	case record.ControlSnapshotHeader:
		r = &SnapshotHeader{}
	case record.ControlSnapshotFooter:
		r = &SnapshotFooter{}
	case record.ControlKRaftVersion:
		r = &KRaftVersion{}
	case record.ControlVoters:
		r = &Voters{}
	default:
		return nil, fmt.Errorf("%w: control type %d", ErrUnknown, t)
	}
	c := coder{buf: value}
	var version int16
	c.int16(&version)
	r.code(&c)
	if c.err == nil && c.pos != len(value) {
		c.fail(ErrMalformed, "%d bytes are left over", len(value)-c.pos)
	}
	if c.err != nil {
		return nil, fmt.Errorf("control type %d: %w", t, c.err)
	}
	return r, nil
}
