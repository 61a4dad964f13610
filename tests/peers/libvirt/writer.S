/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The smallest guest that keeps writing: a boot sector. Record N (from 1) is a block of 4 KiB full of
 * the 32-bit number N, put at the place that a linear congruential generator gives for it; after
 * each tick of the clock (18.2 a second) with its records, the block at sector 8 says how far it
 * got. So what must be on the disk follows from that one number; check-writer.py knows how.
 * On the ACPI power button it says so in sector 8, too, and powers off. PM1 as SeaBIOS places it:
 * status 0x600, enable 0x602, control 0x604 (ACPI specification, 4.8.3). */
        .code16
        .globl _start
        .equ BUFFER, 0x8000
        .equ PER_TICK, 24
        .equ BLOCKS_MASK, 4095          /* 16 MiB of records, from sector 2048 */

_start: xorw %ax, %ax
        movw %ax, %ds
        movw %ax, %es
        movw %ax, %ss
        movw $0x7c00, %sp
        sti
        cld
        movw $0x100, %ax                /* the power button shall be seen */
        movw $0x602, %dx
        outw %ax, %dx
        xorl %ebx, %ebx                 /* the number of the record */
        movl $1, %ebp                   /* the generator */

tick:   movw $PER_TICK, %cx
record: incl %ebx
        imull $1664525, %ebp, %ebp
        addl $1013904223, %ebp
        movl %ebp, %eax
        shrl $12, %eax
        andl $BLOCKS_MASK, %eax
        shll $3, %eax
        addl $2048, %eax
        movl %ebx, %edx
        call put
        loop record
        call head
        movw $0x600, %dx
        inw %dx, %ax
        testb $1, %ah
        jnz stop
        hlt
        jmp tick

stop:   orl $0x80000000, %ebx
        call head
        movw $0x2000, %ax               /* to sleep in S5: off */
        movw $0x604, %dx
        outw %ax, %dx
        hlt

head:   movl $8, %eax
        movl %ebx, %edx
/* Fills a block with %edx and writes it at sector %eax. */
put:    pushaw
        movl %eax, lba
        movl %edx, %eax
        movw $BUFFER, %di
        movw $1024, %cx
        rep stosl
        movw $packet, %si
        movb $0x80, %dl
        movw $0x4300, %ax               /* BIOS: extended write */
        int $0x13
        popaw
        ret

        .balign 4
packet: .byte 16, 0
        .word 8, BUFFER, 0
lba:    .long 0, 0
        .org 510
        .byte 0x55, 0xaa
