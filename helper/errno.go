// Implements the error numbers that helpers return, and the two ways they are returned in.

package helper

// errno is an error number of Linux, the same on every system.
type errno int

const (
	ePERM      errno = 1
	eNOENT     errno = 2
	eSRCH      errno = 3
	e2BIG      errno = 7
	eBADF      errno = 9
	eAGAIN     errno = 11
	eNOMEM     errno = 12
	eFAULT     errno = 14
	eBUSY      errno = 16
	eEXIST     errno = 17
	eINVAL     errno = 22
	eNOSPC     errno = 28
	eRANGE     errno = 34
	eDEADLK    errno = 35
	eNODATA    errno = 61
	eOVERFLOW  errno = 75
	eOPNOTSUPP errno = 95
	eTIMEDOUT  errno = 110
)

// result returns the number as a helper's result: negative in all 64 bits, 0 for success.
func (e errno) result() (uint64, error) { return uint64(-int64(e)), nil }

// result32 returns it as the result of a kernel function of type int, which sets the low half only.
func (e errno) result32() (uint64, error) { return uint64(uint32(-int32(e))), nil }
