package record

import (
	"encoding/binary"
	"fmt"
)

// ControlType is the type in a control record's key (RECORDS §6).
type ControlType int16

// The control records of Kafka. Abort and Commit end transactions; the others belong to the metadata log.
const (
	ControlAbort          ControlType = 0
	ControlCommit         ControlType = 1
	ControlLeaderChange   ControlType = 2
	ControlSnapshotHeader ControlType = 3
	ControlSnapshotFooter ControlType = 4
	ControlKRaftVersion   ControlType = 5
	ControlVoters         ControlType = 6
)

// AppendControlKey appends the key of a control record: int16 key version 0, int16 type.
func AppendControlKey(dst []byte, t ControlType) []byte {
	return binary.BigEndian.AppendUint16(append(dst, 0, 0), uint16(t))
}

// ParseControlKey reads a control record's key. Higher key versions may carry more after the type (Kafka reads only the type), so only
// a key too short for one is an error.
func ParseControlKey(key []byte) (ControlType, error) {
	if len(key) < 4 {
		return 0, fmt.Errorf("%w: a control record's key has %d bytes, not 4", ErrRecord, len(key))
	}
	return ControlType(binary.BigEndian.Uint16(key[2:])), nil
}
