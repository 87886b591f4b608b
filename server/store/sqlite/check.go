package sqlite

import (
	"context"
	"database/sql"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"

	"perdure/server/store"
)

// Files up to this size are read whole when they are opened; beyond it the
// check would take longer than a start may. Damage found later is reported by
// the call that meets it.
const checkedWholeBytesMax = 8 << 20

const headerBytes = 100

// check looks at a file before anything may write to it, through a connection
// that cannot write. A missing or empty file is a new store.
func check(ctx context.Context, file string) error {
	info, err := os.Stat(file)
	switch {
	case errors.Is(err, os.ErrNotExist):
		return nil
	case err != nil:
		return err
	case !info.Mode().IsRegular():
		return errors.New("not a regular file")
	case info.Size() == 0:
		return nil
	}
	if err := checkHeader(file, info.Size()); err != nil {
		return err
	}
	db, err := sql.Open("sqlite", address(file, "ro"))
	if err != nil {
		return err
	}
	defer db.Close()
	if info.Size() > checkedWholeBytesMax {
		var tables int
		return db.QueryRowContext(ctx, "SELECT count(*) FROM sqlite_master").Scan(&tables)
	}
	var verdict string
	if err := db.QueryRowContext(ctx, "PRAGMA quick_check(1)").Scan(&verdict); err != nil {
		return err
	}
	if verdict != "ok" {
		return fmt.Errorf("%w: %s", store.ErrDamaged, verdict)
	}
	return nil
}

// checkHeader finds files of another kind and files that were cut off. While a
// write-ahead log is there the file may rightly be shorter than its header says.
func checkHeader(file string, size int64) error {
	opened, err := os.Open(file)
	if err != nil {
		return err
	}
	defer opened.Close()
	header := make([]byte, headerBytes)
	if _, err := io.ReadFull(opened, header); err != nil || string(header[:16]) != "SQLite format 3\x00" {
		return fmt.Errorf("%w: not a SQLite file", store.ErrDamaged)
	}
	pageBytes := int64(binary.BigEndian.Uint16(header[16:]))
	if pageBytes == 1 { // the format's way to say 65,536
		pageBytes = 1 << 16
	}
	pages := int64(binary.BigEndian.Uint32(header[28:]))
	log, err := os.Stat(file + "-wal")
	logged := err == nil && log.Size() > 0
	if !logged && size < pages*pageBytes {
		return fmt.Errorf("%w: the file has %d bytes of %d", store.ErrDamaged, size, pages*pageBytes)
	}
	return nil
}
