package image

import (
	"encoding/binary"
	"fmt"
	"strconv"
)

// Type is the type id of a metadata record (RECORDS §5).
type Type uint16

// The metadata records of Kafka 4.3. 6, 13 and 16 are unused; 7, 8 and 21 are read and no longer written.
const (
	TypeRegisterBroker            Type = 0
	TypeUnregisterBroker          Type = 1
	TypeTopic                     Type = 2
	TypePartition                 Type = 3
	TypeConfig                    Type = 4
	TypePartitionChange           Type = 5
	TypeFenceBroker               Type = 7
	TypeUnfenceBroker             Type = 8
	TypeRemoveTopic               Type = 9
	TypeDelegationToken           Type = 10
	TypeUserScramCredential       Type = 11
	TypeFeatureLevel              Type = 12
	TypeClientQuota               Type = 14
	TypeProducerIDs               Type = 15
	TypeBrokerRegistrationChange  Type = 17
	TypeAccessControlEntry        Type = 18
	TypeRemoveAccessControlEntry  Type = 19
	TypeNoOp                      Type = 20
	TypeZkMigrationState          Type = 21
	TypeRemoveUserScramCredential Type = 22
	TypeBeginTransaction          Type = 23
	TypeEndTransaction            Type = 24
	TypeAbortTransaction          Type = 25
	TypeRemoveDelegationToken     Type = 26
	TypeRegisterController        Type = 27
	TypeClearElr                  Type = 28
)

// Record is one metadata record: a pointer to one of the …Record structs of this package. Once appended or replayed it is never changed:
// images share its slices.
type Record interface {
	Type() Type
	code(c *coder, version int16)
}

// kinds holds, by type, Kafka's name, the highest version, and how to make one with defaults.
var kinds = [...]struct {
	name string
	max  int16
	make func() Record
}{
	TypeRegisterBroker:            {"RegisterBroker", 4, func() Record { return &RegisterBrokerRecord{Fenced: true} }},
	TypeUnregisterBroker:          {"UnregisterBroker", 0, func() Record { return &UnregisterBrokerRecord{} }},
	TypeTopic:                     {"Topic", 0, func() Record { return &TopicRecord{} }},
	TypePartition:                 {"Partition", 2, func() Record { return &PartitionRecord{} }},
	TypeConfig:                    {"Config", 0, func() Record { return &ConfigRecord{} }},
	TypePartitionChange:           {"PartitionChange", 2, func() Record { return NewPartitionChange() }},
	TypeFenceBroker:               {"FenceBroker", 0, func() Record { return &FenceBrokerRecord{} }},
	TypeUnfenceBroker:             {"UnfenceBroker", 0, func() Record { return &UnfenceBrokerRecord{} }},
	TypeRemoveTopic:               {"RemoveTopic", 0, func() Record { return &RemoveTopicRecord{} }},
	TypeDelegationToken:           {"DelegationToken", 0, func() Record { return &DelegationTokenRecord{} }},
	TypeUserScramCredential:       {"UserScramCredential", 0, func() Record { return &UserScramCredentialRecord{} }},
	TypeFeatureLevel:              {"FeatureLevel", 0, func() Record { return &FeatureLevelRecord{} }},
	TypeClientQuota:               {"ClientQuota", 0, func() Record { return &ClientQuotaRecord{} }},
	TypeProducerIDs:               {"ProducerIds", 0, func() Record { return &ProducerIDsRecord{} }},
	TypeBrokerRegistrationChange:  {"BrokerRegistrationChange", 3, func() Record { return &BrokerRegistrationChangeRecord{} }},
	TypeAccessControlEntry:        {"AccessControlEntry", 0, func() Record { return &AccessControlEntryRecord{} }},
	TypeRemoveAccessControlEntry:  {"RemoveAccessControlEntry", 0, func() Record { return &RemoveAccessControlEntryRecord{} }},
	TypeNoOp:                      {"NoOp", 0, func() Record { return &NoOpRecord{} }},
	TypeZkMigrationState:          {"ZkMigrationState", 0, func() Record { return &ZkMigrationStateRecord{} }},
	TypeRemoveUserScramCredential: {"RemoveUserScramCredential", 0, func() Record { return &RemoveUserScramCredentialRecord{} }},
	TypeBeginTransaction:          {"BeginTransaction", 0, func() Record { return &BeginTransactionRecord{} }},
	TypeEndTransaction:            {"EndTransaction", 0, func() Record { return &EndTransactionRecord{} }},
	TypeAbortTransaction:          {"AbortTransaction", 0, func() Record { return &AbortTransactionRecord{} }},
	TypeRemoveDelegationToken:     {"RemoveDelegationToken", 0, func() Record { return &RemoveDelegationTokenRecord{} }},
	TypeRegisterController:        {"RegisterController", 0, func() Record { return &RegisterControllerRecord{} }},
	TypeClearElr:                  {"ClearElr", 0, func() Record { return &ClearElrRecord{} }},
}

// String returns Kafka's name of t, without "Record".
func (t Type) String() string {
	if int(t) < len(kinds) && kinds[t].name != "" {
		return kinds[t].name
	}
	return "type " + strconv.Itoa(int(t))
}

// The levels of metadata.version that matter to stored records (RECORDS §4).
const (
	MetadataVersionMin         int16 = 7
	MetadataVersionScram       int16 = 11
	MetadataVersionTransaction int16 = 13
	MetadataVersionTokens      int16 = 14
	MetadataVersionControllers int16 = 15
	MetadataVersionDirectories int16 = 17
	MetadataVersionElr         int16 = 23
	MetadataVersionCordoned    int16 = 30
	MetadataVersionLatest      int16 = 30 // Kafka 4.3's 4.3-IV0
)

// VersionFor returns the version in which r is written under metadata.version level.
func VersionFor(r Record, level int16) int16 {
	switch r := r.(type) {
	case *RegisterBrokerRecord:
		switch {
		case level >= MetadataVersionCordoned:
			return 4
		case level >= MetadataVersionDirectories:
			return 3
		case level >= 8:
			return 2
		}
		return 1
	case *PartitionRecord, *PartitionChangeRecord:
		switch {
		case level >= MetadataVersionElr:
			return 2
		case level >= MetadataVersionDirectories:
			return 1
		}
		return 0
	case *BrokerRegistrationChangeRecord: // by content
		switch {
		case r.CordonedLogDirs != nil:
			return 3
		case len(r.LogDirs) > 0:
			return 2
		case r.InControlledShutdown != 0:
			return 1
		}
	}
	return 0
}

// frameVersion begins the value of every metadata record.
const frameVersion = 1

// AppendRecord appends the value of a metadata record to dst: frame version, type, version, body (RECORDS §1). It fails with
// ErrUnsupported if r holds something that version lacks, and with ErrMalformed for a string that is too long.
func AppendRecord(dst []byte, r Record, version int16) ([]byte, error) {
	if version < 0 || version > kinds[r.Type()].max {
		return dst, fmt.Errorf("%w: %s version %d", ErrUnsupported, r.Type(), version)
	}
	c := coder{writing: true, buf: dst}
	c.buf = binary.AppendUvarint(c.buf, frameVersion)
	c.buf = binary.AppendUvarint(c.buf, uint64(r.Type()))
	c.buf = binary.AppendUvarint(c.buf, uint64(version))
	r.code(&c, version)
	if c.err != nil {
		return dst, fmt.Errorf("%s: %w", r.Type(), c.err)
	}
	return c.buf, nil
}

// ParseRecord reads the value of a metadata record; the result does not alias value. Errors: ErrUnknown for a type or version that
// Kafka 4.3 does not know, ErrMalformed for everything else, bytes left over included.
func ParseRecord(value []byte) (Record, int16, error) {
	c := coder{buf: value}
	var frame, kind, version uint32
	c.uvarint(&frame)
	c.uvarint(&kind)
	c.uvarint(&version)
	switch {
	case c.err != nil:
		return nil, 0, c.err
	case frame != frameVersion:
		return nil, 0, fmt.Errorf("%w: frame version %d", ErrUnknown, frame)
	case kind >= uint32(len(kinds)) || kinds[kind].make == nil:
		return nil, 0, fmt.Errorf("%w: type %d", ErrUnknown, kind)
	case version > uint32(kinds[kind].max):
		return nil, 0, fmt.Errorf("%w: %s version %d", ErrUnknown, Type(kind), version)
	}
	r := kinds[kind].make()
	r.code(&c, int16(version))
	if c.err == nil && c.pos != len(value) {
		c.fail(ErrMalformed, "%d bytes are left over", len(value)-c.pos)
	}
	if c.err != nil {
		return nil, 0, fmt.Errorf("%s: %w", Type(kind), c.err)
	}
	return r, int16(version), nil
}
