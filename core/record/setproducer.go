package record

import (
	"encoding/binary"
	"hash/crc32"
)

// SetProducer writes an idempotent producer's id, epoch and base sequence into a whole batch and seals it with its new CRC. A client does so when it
// sends: the id may have come after the batch was built.
func SetProducer(data []byte, id ProducerID, epoch int16, sequence int32) {
	binary.BigEndian.PutUint64(data[posProducerID:], uint64(id))
	binary.BigEndian.PutUint16(data[posProducerEpoch:], uint16(epoch))
	binary.BigEndian.PutUint32(data[posBaseSequence:], uint32(sequence))
	binary.BigEndian.PutUint32(data[posCRC:], crc32.Checksum(data[posAttributes:], castagnoli))
}
